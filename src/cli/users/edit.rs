//! `podium users add`, `reset`, `remove`: one line of users.csv.

use clap::{Args, ValueEnum};

use super::handout::{Credential, Handout};
use crate::accounts;
use crate::cli::Exit;
use crate::core::ids::UserName;
use crate::core::password::Password;
use crate::core::users::Role;
use crate::home::Home;

/// Add one user with a new password
#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// The name
    name: UserName,
    /// What the user is here for
    #[arg(long, value_name = "ROLE", default_value = "student")]
    role: RoleName,
    /// No password: the user has keys, in keys/NAME.pub
    #[arg(long)]
    keys_only: bool,
    #[command(flatten)]
    handout: Handout,
}

/// Give users new passwords
#[derive(Debug, Args)]
pub(in crate::cli) struct Reset {
    /// The names
    #[arg(required = true)]
    names: Vec<UserName>,
    #[command(flatten)]
    handout: Handout,
}

/// Take users off the list; what they handed in stays
#[derive(Debug, Args)]
pub(in crate::cli) struct Remove {
    /// The names
    #[arg(required = true)]
    names: Vec<UserName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Student,
    Evaluator,
    Superuser,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Student => Role::Student,
            RoleName::Evaluator => Role::Evaluator,
            RoleName::Superuser => Role::Superuser,
        }
    }
}

pub(super) fn add(home: &Home, arguments: &Add) -> anyhow::Result<Exit> {
    let role = arguments.role.into();
    let put = |password| accounts::change(home, |roster| roster.add(arguments.name.clone(), password, role));
    if arguments.keys_only {
        put(Password::None)?;
    } else {
        let credential = Credential::new(arguments.name.clone())?;
        let hashed = credential.hashed()?;
        arguments.handout.give(home, &[credential], || Ok(put(hashed)?))?;
    }
    eprintln!("{} is added to users.csv. As root, `podium users provision` lets them in by SFTP.", arguments.name);
    Ok(Exit::Done)
}

pub(super) fn reset(home: &Home, arguments: &Reset) -> anyhow::Result<Exit> {
    let (mut credentials, mut hashed) = (Vec::new(), Vec::new());
    for name in &arguments.names {
        let credential = Credential::new(name.clone())?;
        hashed.push((name, credential.hashed()?));
        credentials.push(credential);
    }
    arguments.handout.give(home, &credentials, || {
        Ok(accounts::change(home, |roster| {
            hashed.into_iter().try_for_each(|(name, password)| {
                if roster.set_password(name, password) { Ok(()) } else { Err(format!("{name} is not listed")) }
            })
        })?)
    })?;
    eprintln!("The old passwords hold until `podium users provision` is run, as root.");
    Ok(Exit::Done)
}

pub(super) fn remove(home: &Home, arguments: &Remove) -> anyhow::Result<Exit> {
    accounts::change(home, |roster| {
        arguments
            .names
            .iter()
            .try_for_each(|name| if roster.remove(name) { Ok(()) } else { Err(format!("{name} is not listed")) })
    })?;
    eprintln!(
        "Nothing more of theirs is taken; what they handed in stays. As root, `podium users provision` ends their access."
    );
    Ok(Exit::Done)
}
