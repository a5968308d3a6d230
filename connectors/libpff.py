"""The functions of libpff that reading needs, by its C interface (libpff.h), inside the worker alone.

The package ``libpff-python`` (LGPL-3.0-or-later) brings the library, and a Python module over it that leaves
out embedded messages, and what properties are named. So the library's own functions are called, which the
package's shared object exports. It is loaded where it lies: another build of the same library may be put in
its place.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t, c_ssize_t, c_uint8, c_uint32, c_void_p
from mmap import mmap

READ = 1
"""LIBPFF_OPEN_READ."""


_FUNCTIONS: dict[str, tuple[object, ...]] = {
    "file_initialize": (POINTER(c_void_p),),
    "file_open": (c_void_p, c_char_p, c_int),
    "file_open_file_io_handle": (c_void_p, c_void_p, c_int),
    "file_free": (POINTER(c_void_p),),
    "file_get_content_type": (c_void_p, POINTER(c_uint8)),
    "file_get_type": (c_void_p, POINTER(c_uint8)),
    "file_get_encryption_type": (c_void_p, POINTER(c_uint8)),
    "file_get_ascii_codepage": (c_void_p, POINTER(c_int)),
    "file_get_root_item": (c_void_p, POINTER(c_void_p)),
    "file_get_message_store": (c_void_p, POINTER(c_void_p)),
    "file_get_name_to_id_map": (c_void_p, POINTER(c_void_p)),
    "file_get_number_of_orphan_items": (c_void_p, POINTER(c_int)),
    "file_get_orphan_item_by_index": (c_void_p, c_int, POINTER(c_void_p)),
    "item_free": (POINTER(c_void_p),),
    "item_get_identifier": (c_void_p, POINTER(c_uint32)),
    "item_get_number_of_record_sets": (c_void_p, POINTER(c_int)),
    "item_get_record_set_by_index": (c_void_p, c_int, POINTER(c_void_p)),
    "item_get_number_of_sub_items": (c_void_p, POINTER(c_int)),
    "item_get_sub_item": (c_void_p, c_int, POINTER(c_void_p)),
    "record_set_free": (POINTER(c_void_p),),
    "record_set_get_number_of_entries": (c_void_p, POINTER(c_int)),
    "record_set_get_entry_by_index": (c_void_p, c_int, POINTER(c_void_p)),
    "record_entry_free": (POINTER(c_void_p),),
    "record_entry_get_entry_type": (c_void_p, POINTER(c_uint32)),
    "record_entry_get_value_type": (c_void_p, POINTER(c_uint32)),
    "record_entry_get_data_size": (c_void_p, POINTER(c_size_t)),
    "record_entry_get_data": (c_void_p, POINTER(c_char), c_size_t),
    "message_get_recipients": (c_void_p, POINTER(c_void_p)),
    "message_get_number_of_attachments": (c_void_p, POINTER(c_int)),
    "message_get_attachment": (c_void_p, c_int, POINTER(c_void_p)),
    "attachment_get_data_size": (c_void_p, POINTER(c_size_t)),
    "attachment_data_read_buffer": (c_void_p, POINTER(c_char), c_size_t),
    "attachment_get_item": (c_void_p, POINTER(c_void_p)),
}
"""What is called, each with what it takes before its last argument, an error."""


class Fault(Exception):  # noqa: N818 - not an error of ours
    """The library could not do what it was asked; its own words may hold content and are dropped."""


class TooLarge(Exception):  # noqa: N818 - as Fault
    """More than may be read at once."""


class Library:
    """The loaded library."""

    def __init__(self, path: str) -> None:
        """Load the shared object at this path.

        Raises:
            Fault: It is no library, or lacks a function.
        """
        try:
            loaded = ctypes.CDLL(path)
            self.calls = {name: getattr(loaded, f"libpff_{name}") for name in _FUNCTIONS}
            self._free_error = loaded.libpff_error_free
            self._range_of = loaded.libbfio_memory_range_initialize
            self._set_range = loaded.libbfio_memory_range_set
        except (OSError, AttributeError):
            raise Fault from None
        for name, takes in _FUNCTIONS.items():
            call = self.calls[name]
            call.argtypes = [*takes, POINTER(c_void_p)]
            call.restype = c_ssize_t if name.endswith("read_buffer") else c_int
        self._error = c_void_p()
        self.error = byref(self._error)

    def __call__(self, name: str, *args: object) -> int:
        """Call a function and return its answer: 1 for yes, 0 for what is not there.

        Raises:
            Fault: It failed.
        """
        answer: int = self.calls[name](*args, self.error)
        if answer < 0:
            self.forget()
            raise Fault
        return answer

    def forget(self) -> None:
        """Free the error of a call that failed."""
        self._free_error(self.error)

    def memory_range(self, place: int, size: int) -> c_void_p:
        """Return a stretch of memory as the library takes it for a file.

        Raises:
            Fault: As a call.
        """
        handle = c_void_p()
        made = self._range_of(byref(handle), self.error) == 1
        if not made or self._set_range(handle, c_void_p(place), c_size_t(size), self.error) != 1:
            self.forget()
            raise Fault
        return handle

    def number(self, name: str, handle: c_void_p, kind: type[c_int | c_uint8 | c_uint32] = c_int) -> int:
        """Return a number that a function gives of a handle; 0 for one that is not there.

        Raises:
            Fault: As a call.
        """
        value = kind()
        self(name, handle, byref(value))
        return int(value.value)


class Thing:
    """A file, an item or a set of properties of the library; freed when it is left."""

    def __init__(self, library: Library, free: str, handle: c_void_p) -> None:
        """Own a handle that ``free`` frees."""
        self.library = library
        self.handle = handle
        self.memory: object = None  # what must live as long as this
        self._free = free

    def __enter__(self) -> Thing:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the handle."""
        if self.handle:
            self.library.calls[self._free](byref(self.handle), self.library.error)
            self.handle = c_void_p()

    def item(self, name: str, *args: object) -> Thing | None:
        """Return an item that a function gives; None for one that is not there.

        Raises:
            Fault: As a call.
        """
        handle = c_void_p()
        if self.library(name, self.handle, *args, byref(handle)) == 0 or not handle:
            return None
        return Thing(self.library, "item_free", handle)

    def number(self, name: str, kind: type[c_int | c_uint8 | c_uint32] = c_int) -> int:
        """Return a number that a function gives; 0 for one that is not there.

        Raises:
            Fault: As a call.
        """
        return self.library.number(name, self.handle, kind)

    def byte(self, name: str) -> int:
        """Return a small number that a function gives; 0 for one that is not there, or cannot be read."""
        try:
            return self.number(name, c_uint8)
        except Fault:
            return 0

    @property
    def id(self) -> int:
        """The item's number in the file (node id)."""
        return self.number("item_get_identifier", c_uint32)

    def below(self) -> Iterator[tuple[int, int]]:
        """Yield place and number of what lies right below the item in the tree of nodes.

        Raises:
            Fault: It cannot be listed.
        """
        library = self.library
        calls, error = library.calls, library.error
        sub_item, identifier, free = (
            calls["item_get_sub_item"],
            calls["item_get_identifier"],
            calls["item_free"],
        )
        handle, nid = c_void_p(), c_uint32()
        at_handle, at_nid = byref(handle), byref(nid)
        for place in range(self.number("item_get_number_of_sub_items")):
            if sub_item(self.handle, place, at_handle, error) != 1:
                library.forget()
                continue
            if identifier(handle, at_nid, error) == 1:
                yield place, nid.value
            else:
                library.forget()
            free(at_handle, error)

    def attached(self, most: int) -> bytes:
        """Return the bytes of an attachment, an OLE object among them.

        Args:
            most: Bytes.

        Raises:
            Fault: As a call.
            TooLarge: There are more.
        """
        size = c_size_t()
        self.library("attachment_get_data_size", self.handle, byref(size))
        if size.value > most:
            raise TooLarge
        buffer = ctypes.create_string_buffer(max(size.value, 1))
        got = 0
        while got < size.value:
            piece = ctypes.cast(ctypes.byref(buffer, got), POINTER(c_char))
            read = self.library("attachment_data_read_buffer", self.handle, piece, size.value - got)
            if not read:
                raise Fault
            got += read
        return ctypes.string_at(buffer, got)

    def sets(self) -> Iterator[Thing]:
        """Yield the item's sets of properties: one of a message, one a row of a table.

        Raises:
            Fault: As a call.
        """
        for number in range(self.number("item_get_number_of_record_sets")):
            handle = c_void_p()
            self.library("item_get_record_set_by_index", self.handle, number, byref(handle))
            with Thing(self.library, "record_set_free", handle) as found:
                yield found

    def entries(self, most: int) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield id, type and value of each property of a set; None for a value that cannot be read.

        Args:
            most: Bytes of a value.

        Raises:
            Fault: There is nothing to read at all.
            TooLarge: A value has more bytes.
        """
        library = self.library
        calls, error = library.calls, library.error
        by_index, free = calls["record_set_get_entry_by_index"], calls["record_entry_free"]
        type_of, kind_of = calls["record_entry_get_entry_type"], calls["record_entry_get_value_type"]
        size_of, data_of = calls["record_entry_get_data_size"], calls["record_entry_get_data"]
        entry, number, kind, size = c_void_p(), c_uint32(), c_uint32(), c_size_t()
        at_entry, at_number, at_kind, at_size = byref(entry), byref(number), byref(kind), byref(size)
        small = ctypes.create_string_buffer(_SMALL)
        for place in range(self.number("record_set_get_number_of_entries")):
            if by_index(self.handle, place, at_entry, error) != 1:
                library.forget()
                yield 0, 0, None
                continue
            try:
                if type_of(entry, at_number, error) != 1 or kind_of(entry, at_kind, error) != 1:
                    library.forget()
                    yield 0, 0, None
                    continue
                data: bytes | None = b""
                size.value = 0
                if size_of(entry, at_size, error) < 0:
                    library.forget()
                    data = None
                elif size.value > most:
                    raise TooLarge
                elif size.value:
                    buffer = small if size.value <= _SMALL else ctypes.create_string_buffer(size.value)
                    if data_of(entry, buffer, size.value, error) == 1:
                        data = ctypes.string_at(buffer, size.value)
                    else:
                        library.forget()
                        data = None
                yield number.value, kind.value, data
            finally:
                free(at_entry, error)


_SMALL = 4096


def opened(library: Library, path: str, memory: mmap | None = None) -> Thing:
    """Open a data file.

    Args:
        library: libpff.
        path: Of the file.
        memory: The file as it lies in memory, to be read there; None for the file itself.

    Raises:
        Fault: It is none, or too damaged.
    """
    handle = c_void_p()
    library("file_initialize", byref(handle))
    found = Thing(library, "file_free", handle)
    try:
        if memory is None:
            library("file_open", handle, path.encode(), READ)
        else:
            found.memory = c_char.from_buffer(memory)
            place = library.memory_range(ctypes.addressof(found.memory), len(memory))
            library("file_open_file_io_handle", handle, place, READ)
    except Fault:
        found.__exit__()
        raise
    return found
