//! What the two listeners of a process serve: the routes of its roles, and for all others where they are.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, routing::any};
use tidings_api::{Code, Frame, Problem, with_reference};
use tidings_config::Role;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{StartError, paths, words::Words};

/// The routes of a process.
#[derive(Default)]
pub(crate) struct Served {
    /// Those of people and services, on both listeners.
    pub(crate) public: OpenApiRouter,
    /// Those of operators, on the admin listener alone.
    pub(crate) operators: OpenApiRouter,
    /// What another process serves, by the role that does: paths of both listeners, and of the admin one alone.
    elsewhere: BTreeMap<String, Role>,
    elsewhere_for_operators: BTreeMap<String, Role>,
    /// All of them, wherever they are served: a path leads to one thing.
    known: OpenApi,
}

impl Served {
    /// Routes of everybody, where this process has their role; elsewhere it says who has.
    pub(crate) fn route(&mut self, role: Role, here: bool, routes: OpenApiRouter) -> Result<(), StartError> {
        if !here {
            return self.absent(role, routes.into_openapi());
        }
        self.know(routes.get_openapi())?;
        self.public = std::mem::take(&mut self.public).merge(routes);
        Ok(())
    }

    /// Routes of operators.
    pub(crate) fn operate(&mut self, routes: OpenApiRouter) -> Result<(), StartError> {
        self.know(routes.get_openapi())?;
        self.operators = std::mem::take(&mut self.operators).merge(routes);
        Ok(())
    }

    /// Refuses a path of the settings that leads somewhere else already.
    fn know(&mut self, routes: &OpenApi) -> Result<(), StartError> {
        paths::distinct(&self.known, routes)?;
        self.known.merge(routes.clone());
        Ok(())
    }

    /// Notes routes of everybody that this process does not serve.
    pub(crate) fn absent(&mut self, role: Role, routes: OpenApi) -> Result<(), StartError> {
        self.know(&routes)?;
        self.elsewhere.extend(routes.paths.paths.into_keys().map(|path| (path, role)));
        Ok(())
    }

    /// Notes routes of operators that this process does not serve.
    pub(crate) fn absent_for_operators(&mut self, role: Role, routes: OpenApi) -> Result<(), StartError> {
        self.know(&routes)?;
        self.elsewhere_for_operators.extend(routes.paths.paths.into_keys().map(|path| (path, role)));
        Ok(())
    }

    /// The routers of the public and of the admin listener, each with its reference and the frame around it.
    pub(crate) fn framed(self, frame: Frame, words: &Words) -> (Router, Router) {
        let frame = Arc::new(frame);
        let (public, reference) = self.public.split_for_parts();
        let (operators, for_operators) = self.operators.split_for_parts();
        let public = self.elsewhere.into_iter().fold(public, not_here);
        let operators = self.elsewhere_for_operators.into_iter().fold(operators, not_here);
        let admin_reference = reference.clone().merge_from(for_operators);
        let (spoken, spoken_to_operators) = words.references();
        let admin = with_reference(public.clone().merge(operators), &admin_reference, &spoken_to_operators);
        let public = with_reference(public, &reference, &spoken);
        (tidings_api::frame(public, Arc::clone(&frame)), tidings_api::frame(admin, frame))
    }
}

/// A path that another process serves. A 404: asking this one again does not help.
fn not_here(router: Router, (path, role): (String, Role)) -> Router {
    router.route(
        &path,
        any(async move || {
            Problem::new(
                Code::NotFound,
                format!("this process does not serve that path: send it to one that has the role `{role}`"),
            )
        }),
    )
}
