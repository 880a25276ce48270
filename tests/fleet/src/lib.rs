//! Several processes on one Kafka and one PostgreSQL; the suite is in `tests/`.
