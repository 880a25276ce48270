//! The pure core of delivery.
