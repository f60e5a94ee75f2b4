//! SFTP over a connection: the few requests that handing in and looking need.
//!
//! The protocol is `russh-sftp`'s, which takes packets of at most 256 KiB; what is read here has a bound of its own besides.

use std::time::Duration;

use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::core::text::visible;

/// How long the server may take for one request, in seconds. Before the first one a password is typed: that takes what it takes.
const PATIENCE: u64 = 60;
const LOGIN_PATIENCE: Duration = Duration::from_secs(3600);
/// What is written with one request: every server takes as much.
const CHUNK: usize = 32 << 10;
/// The longest document that is read.
const LONGEST: usize = 4 << 20;
/// Renames over what is there, in one step: the file is never seen under two names, as it may be for a moment with SFTP's own rename.
const POSIX_RENAME: &str = "posix-rename@openssh.com";
const FSYNC: &str = "fsync@openssh.com";

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum SftpError {
    /// There is no such file or folder.
    #[error("there is no such file or folder")]
    Missing,
    /// The server does not allow it.
    #[error("the server does not allow it")]
    Denied,
    /// The server could not do it: mostly a full disk or quota.
    #[error("the server could not do it{0}")]
    Failed(String),
    /// The connection is gone.
    #[error("the connection was lost")]
    Lost,
    /// It answered something else than was asked.
    #[error("the server does not answer as SFTP says it should")]
    Nonsense,
}

impl From<Error> for SftpError {
    fn from(error: Error) -> Self {
        match error {
            Error::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => Self::Missing,
                StatusCode::PermissionDenied => Self::Denied,
                StatusCode::NoConnection | StatusCode::ConnectionLost => Self::Lost,
                StatusCode::Ok | StatusCode::BadMessage => Self::Nonsense,
                StatusCode::Eof | StatusCode::Failure | StatusCode::OpUnsupported => {
                    let words = visible(&status.error_message, 200);
                    Self::Failed(if words.is_empty() || words == "Failure" {
                        String::new()
                    } else {
                        format!(" ({words})")
                    })
                }
            },
            Error::IO(_) | Error::Timeout | Error::UnexpectedBehavior(_) => Self::Lost,
            Error::Limited(_) | Error::UnexpectedPacket => Self::Nonsense,
        }
    }
}

/// An SFTP session.
pub struct Session {
    raw: RawSftpSession,
    version: Version,
}

impl Session {
    /// Begins one.
    ///
    /// # Errors
    /// When nobody speaks SFTP at the other end, or nobody is there.
    pub async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, SftpError> {
        let raw = RawSftpSession::new(stream);
        raw.set_timeout(LOGIN_PATIENCE.as_secs());
        let version = raw.init().await?;
        raw.set_timeout(PATIENCE);
        Ok(Self { raw, version })
    }

    /// Where the session begins.
    ///
    /// # Errors
    /// [`SftpError`].
    pub async fn here(&self) -> Result<String, SftpError> {
        let names = self.raw.realpath(".").await?;
        names.files.into_iter().next().map(|file| file.filename).ok_or(SftpError::Nonsense)
    }

    /// Whether a folder is there.
    ///
    /// # Errors
    /// Every [`SftpError`] but that it is not.
    pub async fn is_folder(&self, path: &str) -> Result<bool, SftpError> {
        match self.raw.stat(path).await.map_err(SftpError::from) {
            Ok(attributes) => Ok(attributes.attrs.is_dir()),
            Err(SftpError::Missing | SftpError::Denied | SftpError::Failed(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The size of what lies at a path, if anything does.
    ///
    /// # Errors
    /// Every [`SftpError`] but that there is nothing.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, SftpError> {
        match self.raw.lstat(path).await.map_err(SftpError::from) {
            Ok(attributes) => Ok(attributes.attrs.size),
            Err(SftpError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file, in the place of one that an interrupted upload left there, and has the server keep it on its disk. `progress` is told how
    /// many bytes have arrived.
    ///
    /// # Errors
    /// [`SftpError`]; what has arrived stays.
    pub async fn write(&self, path: &str, bytes: &[u8], progress: &mut dyn FnMut(usize)) -> Result<(), SftpError> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let attributes = FileAttributes { permissions: Some(0o600), ..FileAttributes::empty() };
        let handle = self.raw.open(path, flags, attributes).await?.handle;
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let offset = index * CHUNK;
            self.raw.write(handle.as_str(), offset as u64, chunk.to_vec()).await?;
            progress(offset + chunk.len());
        }
        if self.version.extensions.contains_key(FSYNC) {
            self.raw.fsync(handle.as_str()).await?;
        }
        self.raw.close(handle).await?;
        // A server that is short of space may have said yes to every write.
        if self.size(path).await? == Some(bytes.len() as u64) { Ok(()) } else { Err(SftpError::Failed(String::new())) }
    }

    /// Gives a file its name.
    ///
    /// # Errors
    /// [`SftpError`].
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), SftpError> {
        if !self.version.extensions.contains_key(POSIX_RENAME) {
            self.raw.rename(from, to).await?;
            return Ok(());
        }
        let mut names = Vec::new();
        for name in [from, to] {
            let length = u32::try_from(name.len()).map_err(|_| SftpError::Nonsense)?;
            names.extend(length.to_be_bytes());
            names.extend(name.as_bytes());
        }
        match self.raw.extended(POSIX_RENAME, names).await? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(Error::Status(status).into()),
            _ => Err(SftpError::Nonsense),
        }
    }

    /// A whole file, if there is one.
    ///
    /// # Errors
    /// [`SftpError`]; one that is too long is [`SftpError::Nonsense`].
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, SftpError> {
        let handle = match self.raw.open(path, OpenFlags::READ, FileAttributes::empty()).await.map_err(SftpError::from)
        {
            Ok(handle) => handle.handle,
            Err(SftpError::Missing) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        loop {
            match self.raw.read(handle.as_str(), bytes.len() as u64, CHUNK as u32).await {
                Ok(data) if data.data.is_empty() => break,
                Ok(data) => bytes.extend(data.data),
                Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(error.into()),
            }
            if bytes.len() > LONGEST {
                return Err(SftpError::Nonsense);
            }
        }
        self.raw.close(handle).await?;
        Ok(Some(bytes))
    }

    /// Ends the session.
    pub fn end(&self) {
        let _ = self.raw.close_session();
    }
}
