//! The folders and files of the services that a sink has met.

use super::active::ActiveFile;
use super::folder::Folder;
use super::{SIGNALS, name};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Most services that have folders of their own; a name made from an id is a bug of the program, and must not fill the
/// disk with folders.
pub(super) const SERVICES_MAX: usize = 256;

/// Most files that are open at the same time.
pub(super) const FILES_OPEN_MAX: usize = 64;

/// The services of one sink, by number.
#[derive(Debug, Default)]
pub(super) struct Services {
    root: Option<Folder>,
    list: Vec<Service>,
    numbers: HashMap<String, usize>,
    /// Counts appends, to know whose file was not used for longest.
    turn: u64,
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    folder_name: String,
    folder: Option<Folder>,
    files: [(ActiveFile, u64); 3],
}

impl Services {
    /// The number of a service; none if it is new and there are too many.
    pub(super) fn number(&mut self, service: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(service) {
            return Some(*number);
        }
        (self.list.len() < SERVICES_MAX).then(|| self.add(service))
    }

    /// The number of the service of those that have none; made past the limit if need be.
    pub(super) fn number_of_default(&mut self, service: &str) -> usize {
        match self.numbers.get(service) {
            Some(number) => *number,
            None => self.add(service),
        }
    }

    fn add(&mut self, service: &str) -> usize {
        let number = self.list.len();
        self.list.push(Service {
            name: service.to_owned(),
            folder_name: name::folder_name(service),
            folder: None,
            files: SIGNALS.map(|signal| (ActiveFile::new(signal), 0)),
        });
        self.numbers.insert(service.to_owned(), number);
        number
    }

    pub(super) fn name(&self, number: usize) -> &str {
        self.list.get(number).map_or("", |service| &service.name)
    }

    /// The folder of a service and one of its files, ready to append to.
    pub(super) fn file(
        &mut self,
        root: &Path,
        number: usize,
        signal: usize,
    ) -> io::Result<(&Folder, &mut ActiveFile)> {
        self.turn += 1;
        self.close_oldest(number, signal);
        let is_there = |folder: &Folder| folder.is_sound() && !folder.is_elsewhere(root);
        if !self.root.as_ref().is_some_and(is_there) {
            self.root = None;
            self.list.iter_mut().for_each(Service::let_go);
        }
        let root = match &mut self.root {
            Some(folder) => &*folder,
            empty => &*empty.insert(Folder::open_root(root)?),
        };
        let service = self.list.get_mut(number).ok_or_else(|| io::Error::other("no such service"))?;
        let is_there =
            |folder: &Folder| folder.is_sound() && !root.is_child_elsewhere(&service.folder_name, folder);
        if !service.folder.as_ref().is_some_and(is_there) {
            service.let_go();
        }
        let folder = match &mut service.folder {
            Some(folder) => &*folder,
            empty => &*empty.insert(root.make_child(&service.folder_name)?),
        };
        let (file, last) = &mut service.files[signal];
        *last = self.turn;
        Ok((folder, file))
    }

    /// Closes the file that was not used for longest, if one more would be too many.
    fn close_oldest(&mut self, number: usize, signal: usize) {
        let is_open = |service: &Service| service.files[signal].0.is_open();
        if self.list.get(number).is_some_and(is_open) {
            return;
        }
        let mut open: Vec<_> = self
            .list
            .iter_mut()
            .flat_map(|service| &mut service.files)
            .filter(|(file, _)| file.is_open())
            .collect();
        if open.len() >= FILES_OPEN_MAX
            && let Some((file, _)) = open.iter_mut().min_by_key(|(_, last)| *last)
        {
            file.let_go();
            let is_unused = |service: &Service| !service.files.iter().any(|(file, _)| file.is_open());
            let unused = self.list.iter_mut().filter(|service| is_unused(service));
            unused.for_each(|service| service.folder = None);
        }
    }

    /// All files that are open.
    pub(super) fn open_files(&mut self) -> impl Iterator<Item = &mut ActiveFile> {
        self.list
            .iter_mut()
            .flat_map(|service| &mut service.files)
            .map(|(file, _)| file)
            .filter(|file| file.is_open())
    }
}

impl Service {
    fn let_go(&mut self) {
        self.folder = None;
        self.files.iter_mut().for_each(|(file, _)| file.let_go());
    }
}
