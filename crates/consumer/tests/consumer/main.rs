//! Groups that run handlers over a real store and its log.

#![cfg(test)]

mod dead_letters;
mod failing;
mod numbered;
mod owning;
mod parking;
mod redriving;
mod repeats;
mod sharing;
mod steering;
mod world;
