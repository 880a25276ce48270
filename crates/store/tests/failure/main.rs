//! The store when its process is killed, its disk is full, or its disk fails to sync.

#![cfg(test)]

mod child;
mod disk;
mod kill;
