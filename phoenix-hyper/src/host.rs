//! The host names of a homeserver's services: `as.`, `ds.` and `qs.` before its domain (PROTOCOL.md §5,
//! Finding a service).

use phoenix_core::{identifiers::Domain, wire::operations::Service};

/// The services of a homeserver.
pub const SERVICES: [Service; 3] = [Service::Authentication, Service::Delivery, Service::Queuing];

/// Returns the host name of a service of the homeserver of `domain`.
pub fn name(service: Service, domain: &Domain) -> String {
    format!("{}{domain}", prefix(service))
}

/// Returns the service of the homeserver of `domain` that has the host name `host`, in upper or lower case.
pub fn service(host: &str, domain: &Domain) -> Option<Service> {
    SERVICES.into_iter().find(|service| {
        let prefix = prefix(*service);
        host.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && host.get(prefix.len()..).is_some_and(|rest| rest.eq_ignore_ascii_case(domain.as_str()))
    })
}

/// The name of a service in metrics and in the log.
#[cfg(feature = "peers")]
pub(crate) const fn label(service: Service) -> &'static str {
    match service {
        Service::Authentication => "authentication",
        Service::Queuing => "queuing",
        Service::Delivery => "delivery",
    }
}

const fn prefix(service: Service) -> &'static str {
    match service {
        Service::Authentication => "as.",
        Service::Delivery => "ds.",
        Service::Queuing => "qs.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_names_are_recognised() {
        let domain: Domain = "example.com".parse().unwrap();
        for known in SERVICES {
            assert_eq!(service(&name(known, &domain), &domain), Some(known));
            assert_eq!(service(&name(known, &domain).to_uppercase(), &domain), Some(known));
        }
        for host in
            ["example.com", "as.example.com.", "xs.example.com", "as.as.example.com", "as.example.co", ""]
        {
            assert_eq!(service(host, &domain), None, "{host}");
        }
        assert_eq!(service("ä.example.com", &domain), None);
    }
}
