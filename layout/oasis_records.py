"""Records of OASIS (SEMI P39) by number, and what the writer and the reader share."""

from enum import IntEnum

__all__ = ["END_BYTES", "MAGIC", "Record", "Validation"]

MAGIC = b"%SEMI-OASIS\r\n"
END_BYTES = 256  # of the END record, always


class Record(IntEnum):
    """First number of a record. A second name is the same record with its number given."""

    PAD = 0
    START = 1
    END = 2
    CELLNAME = 3
    CELLNAME_NUMBERED = 4
    TEXTSTRING = 5
    TEXTSTRING_NUMBERED = 6
    PROPNAME = 7
    PROPNAME_NUMBERED = 8
    PROPSTRING = 9
    PROPSTRING_NUMBERED = 10
    LAYERNAME = 11
    LAYERNAME_TEXT = 12
    CELL_NUMBERED = 13
    CELL = 14
    XYABSOLUTE = 15
    XYRELATIVE = 16
    PLACEMENT = 17
    PLACEMENT_SCALED = 18
    TEXT = 19
    RECTANGLE = 20
    POLYGON = 21
    PATH = 22
    TRAPEZOID = 23
    TRAPEZOID_A = 24
    TRAPEZOID_B = 25
    CTRAPEZOID = 26
    CIRCLE = 27
    PROPERTY = 28
    PROPERTY_AGAIN = 29
    XNAME = 30
    XNAME_NUMBERED = 31
    XELEMENT = 32
    XGEOMETRY = 33
    CBLOCK = 34


class Validation(IntEnum):
    """How the last bytes of a file witness the others."""

    NONE = 0
    CRC32 = 1
    CHECKSUM32 = 2
