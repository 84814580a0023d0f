//! Whether everything that a plan names is in it.

use std::collections::BTreeSet;

use super::error::PlanError;
use crate::plan::{Action, Fault, FaultKind, Intent, Plan};

/// Makes sure that a world can be made of a plan.
pub fn check(plan: &Plan) -> Result<(), PlanError> {
    let within = |list: &str, index: usize| {
        let (list, index) = (list.to_owned(), format!("[{index}]"));
        move |error: PlanError| error.within(index).within(list)
    };
    if plan.servers.is_empty() {
        return Err(PlanError::new("a world needs at least one homeserver").within("servers".to_owned()));
    }
    let mut domains = BTreeSet::new();
    for (index, server) in plan.servers.iter().enumerate() {
        if server.nodes == 0 {
            let message = PlanError::new("a homeserver needs at least one process: see `nodes`");
            return Err(within("servers", index)(message));
        }
        if !domains.insert(server.config.domain.clone()) {
            return Err(within("servers", index)(PlanError::new("another homeserver has the same domain")));
        }
    }
    for (index, user) in plan.users.iter().enumerate() {
        homeserver(plan, user.server).map_err(within("users", index))?;
    }
    for (index, intent) in plan.intents.iter().enumerate() {
        self::intent(plan, intent).map_err(within("intents", index))?;
    }
    for (index, fault) in plan.faults.iter().enumerate() {
        self::fault(plan, fault).map_err(within("faults", index))?;
    }
    Ok(())
}

fn homeserver(plan: &Plan, server: usize) -> Result<(), PlanError> {
    let count = plan.servers.len();
    if server < count { Ok(()) } else { Err(missing("homeserver", server, count)) }
}

fn user(plan: &Plan, user: usize) -> Result<(), PlanError> {
    let count = plan.users.len();
    if user < count { Ok(()) } else { Err(missing("user", user, count)) }
}

fn missing(what: &str, number: usize, count: usize) -> PlanError {
    PlanError::new(format!("there is no {what} {number}: the plan has {count}, counted from 0"))
}

fn intent(plan: &Plan, intent: &Intent) -> Result<(), PlanError> {
    user(plan, intent.user)?;
    if let Action::Connect { other } | Action::Invite { other, .. } = intent.action {
        user(plan, other)?;
    }
    let creates = |group: usize| {
        let created = Action::CreateGroup { group };
        plan.intents.iter().any(|intent| intent.action == created)
    };
    match intent.action.group().filter(|group| !creates(*group)) {
        Some(group) => Err(PlanError::new(format!("no intent creates group {group}"))),
        None => Ok(()),
    }
}

fn fault(plan: &Plan, fault: &Fault) -> Result<(), PlanError> {
    if fault.at >= plan.faults_end {
        return Err(PlanError::new("it begins when the faults have ended: see `faults_end`"));
    }
    match &fault.kind {
        FaultKind::Crash { server, number } | FaultKind::Pause { server, number } => {
            homeserver(plan, *server)?;
            let count = plan.servers[*server].nodes;
            if *number < count { Ok(()) } else { Err(missing("process", *number, count)) }
        }
        FaultKind::Partition { one_side } => one_side.iter().try_for_each(|server| homeserver(plan, *server)),
        FaultKind::PowerFailure { server, users, .. } => {
            homeserver(plan, *server)?;
            users.iter().try_for_each(|of| user(plan, *of))
        }
        FaultKind::ServerClock { server, .. }
        | FaultKind::StoreRestored { server, .. }
        | FaultKind::DamagedRow { server, .. } => homeserver(plan, *server),
        FaultKind::UserClock { user: of, .. } | FaultKind::ClientCrash { user: of, .. } => user(plan, *of),
    }
}
