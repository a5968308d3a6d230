"""A small NSArchiver: writes attributed text as a Mac does, with its tables of strings and of objects."""

from __future__ import annotations

from dataclasses import dataclass, field

SIGNATURE = b"\x04\x0bstreamtyped\x81\xe8\x03"
NEW, NIL, END = b"\x84", b"\x85", b"\x86"
CLASSES = {
    b"NSMutableAttributedString": (b"NSAttributedString", 0),
    b"NSAttributedString": (b"NSObject", 0),
    b"NSMutableString": (b"NSString", 1),
    b"NSString": (b"NSObject", 1),
    b"NSDictionary": (b"NSObject", 0),
    b"NSNumber": (b"NSValue", 0),
    b"NSValue": (b"NSObject", 0),
    b"NSURL": (b"NSObject", 0),
    b"NSObject": (None, 0),
}


@dataclass
class Archiver:
    """Writes one root object; what was written before is referred to."""

    out: bytearray = field(default_factory=lambda: bytearray(SIGNATURE))
    strings: list[bytes] = field(default_factory=list)
    objects: list[object] = field(default_factory=list)

    def number(self, value: int, *, unsigned: bool = False) -> None:
        if -110 < value < 128:
            self.out += (value % 256).to_bytes(1, "little")
        elif -(1 << 15) <= value < (1 << (16 if unsigned else 15)):
            self.out += b"\x81" + (value % (1 << 16)).to_bytes(2, "little")
        else:
            self.out += b"\x82" + (value % (1 << 32)).to_bytes(4, "little")

    def reference(self, place: int) -> None:
        self.number(place - 110)  # the first is -110, the lowest number of one byte

    def shared(self, text: bytes) -> None:
        if text in self.strings:
            self.reference(self.strings.index(text))
            return
        self.out += NEW
        self.number(len(text), unsigned=True)
        self.out += text
        self.strings.append(text)

    def of_class(self, name: bytes | None) -> None:
        if name is None:
            self.out += NIL
            return
        if ("class", name) in self.objects:
            self.reference(self.objects.index(("class", name)))
            return
        above, version = CLASSES[name]
        self.out += NEW
        self.shared(name)
        self.number(version)
        self.objects.append(("class", name))
        self.of_class(above)

    def begin(self, name: bytes) -> None:
        self.shared(b"@")
        self.out += NEW
        self.objects.append(object())
        self.of_class(name)

    def string(self, text: str, name: bytes = b"NSString") -> None:
        self.begin(name)
        self.shared(b"+")
        words = text.encode("utf-8", "surrogatepass")
        self.number(len(words), unsigned=True)
        self.out += words + END

    def whole(self, value: int) -> None:
        """Write an NSNumber: its type as a C string, which counts among the objects, then the value."""
        self.begin(b"NSNumber")
        self.shared(b"*")
        if ("c", b"i") in self.objects:
            self.reference(self.objects.index(("c", b"i")))
        else:
            self.out += NEW
            self.shared(b"i")
            self.objects.append(("c", b"i"))
        self.shared(b"i")
        self.number(value)
        self.out += END

    def url(self, text: str) -> None:
        self.begin(b"NSURL")
        self.shared(b"c")
        self.out += b"\x00"
        self.string(text)
        self.out += END


def attributed(text: str, *runs: tuple[int, dict[str, str | int]]) -> bytes:
    """Return a text with runs: UTF-16 units and attributes of each; an address begins with ``http``."""
    made = Archiver()
    made.begin(b"NSMutableAttributedString")
    made.string(text, b"NSMutableString")
    for place, (units, attributes) in enumerate(runs, 1):
        made.shared(b"iI")
        made.number(place)
        made.number(units, unsigned=True)
        made.begin(b"NSDictionary")
        made.shared(b"i")
        made.number(len(attributes))
        for name, value in attributes.items():
            made.string(name)
            if isinstance(value, int):
                made.whole(value)
            elif value.startswith("http"):
                made.url(value)
            else:
                made.string(value)
        made.out += END
    made.out += END
    return bytes(made.out)
