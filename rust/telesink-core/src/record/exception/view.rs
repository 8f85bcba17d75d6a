//! Reads a tail without allocating; what is malformed ends early.

use super::super::value::text;
use super::super::wire::{Fields, Wire};
use super::{field, frame_field};

/// One exception of a tail.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExceptionView<'a> {
    fields: &'a [u8],
    pub(super) type_name: &'a str,
    pub(super) message: &'a str,
    /// How many members it has, if it is a group.
    pub(super) group_total: Option<usize>,
    pub(super) cause: Link<'a>,
    pub(super) context: Link<'a>,
    pub(super) has_frames: bool,
}

/// The other end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link<'a> {
    None,
    LeftOut,
    To(&'a [u8]),
}

/// What stands in a row of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameItem<'a> {
    /// One frame, `count` times in a row.
    Run { filename: &'a str, function: &'a str, line: u32, count: u32 },
    /// So many frames were left out here.
    Gap(u32),
}

impl<'a> ExceptionView<'a> {
    pub(super) fn read(fields: &'a [u8]) -> Self {
        let mut view = Self {
            fields,
            type_name: "",
            message: "",
            group_total: None,
            cause: Link::None,
            context: Link::None,
            has_frames: false,
        };
        for (number, wire) in Fields::new(fields) {
            match (number, wire) {
                (field::TYPE, Wire::Bytes(bytes)) => view.type_name = text(bytes),
                (field::MESSAGE, Wire::Bytes(bytes)) => view.message = text(bytes),
                (field::FRAME, Wire::Bytes(_)) => view.has_frames = true,
                (field::GROUP_TOTAL, Wire::Varint(total)) => view.group_total = Some(total as usize),
                (field::CAUSE, Wire::Bytes(bytes)) => view.cause = Link::To(bytes),
                (field::CONTEXT, Wire::Bytes(bytes)) => view.context = Link::To(bytes),
                (field::MEMBER, Wire::Bytes(_)) if view.group_total.is_none() => view.group_total = Some(0),
                (field::RELATION_LEFT_OUT, Wire::Varint(relation)) => view.leave_out(relation as u32),
                _ => {}
            }
        }
        view
    }

    fn leave_out(&mut self, relation: u32) {
        match relation {
            field::CAUSE => self.cause = Link::LeftOut,
            field::CONTEXT => self.context = Link::LeftOut,
            _ => {}
        }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.all(field::NOTE).map(text)
    }

    pub(super) fn details(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.all(field::DETAIL).map(text)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(field::MEMBER)
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = FrameItem<'a>> + use<'a> {
        Fields::new(self.fields).filter_map(|item| match item {
            (field::FRAME, Wire::Bytes(run)) => Some(read_run(run)),
            (field::FRAMES_LEFT_OUT, Wire::Fixed32(count)) if count > 0 => Some(FrameItem::Gap(count)),
            _ => None,
        })
    }

    fn all(&self, wanted: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Fields::new(self.fields).filter_map(move |item| match item {
            (number, Wire::Bytes(bytes)) if number == wanted => Some(bytes),
            _ => None,
        })
    }
}

fn read_run(run: &[u8]) -> FrameItem<'_> {
    let (mut filename, mut function, mut line, mut count) = ("", "", 0, 1);
    for (number, wire) in Fields::new(run) {
        match (number, wire) {
            (frame_field::FILENAME, Wire::Bytes(bytes)) => filename = text(bytes),
            (frame_field::FUNCTION, Wire::Bytes(bytes)) => function = text(bytes),
            (frame_field::LINE, Wire::Fixed32(value)) => line = value,
            (frame_field::COUNT, Wire::Fixed32(value)) => count = value,
            _ => {}
        }
    }
    FrameItem::Run { filename, function, line, count }
}
