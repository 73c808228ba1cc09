"""What a file is, from its bytes, its name and what the mail says; and which kinds are never kept, and why.

The table of kinds is our own: only names of it reach the agent and the owner, never one that a sender made up.
"""

from __future__ import annotations

GENERIC = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_KINDS = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg", "jfif": "image/jpeg", "png": "image/png",
    "gif": "image/gif", "webp": "image/webp", "heic": "image/heic", "heif": "image/heif", "avif": "image/avif",
    "bmp": "image/bmp", "tif": "image/tiff", "tiff": "image/tiff", "dng": "image/x-adobe-dng",
    "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "3gp": "video/3gpp", "webm": "video/webm",
    "avi": "video/x-msvideo", "mpg": "video/mpeg", "mpeg": "video/mpeg",
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "wav": "audio/x-wav", "amr": "audio/amr", "ogg": "audio/ogg",
    "aac": "audio/aac", "caf": "audio/x-caf",
    "pdf": "application/pdf", "txt": "text/plain", "csv": "text/csv", "vcf": "text/vcard", "ics": "text/calendar",
    "eml": "message/rfc822", "rtf": "application/rtf", "json": "application/json",
    "doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
    "docx": f"{_OFFICE}.wordprocessingml.document", "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "pages": "application/vnd.apple.pages", "numbers": "application/vnd.apple.numbers",
    "key": "application/vnd.apple.keynote",
}  # fmt: skip
_KNOWN = frozenset(_KINDS.values())
_OTHER_NAMES = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png", "image/x-ms-bmp": "image/bmp",
    "application/x-pdf": "application/pdf", "audio/mp3": "audio/mpeg", "audio/wav": "audio/x-wav",
    "audio/x-m4a": "audio/mp4", "text/x-vcard": "text/vcard", "text/directory": "text/vcard", "text/rtf": "application/rtf",
    "image/heic-sequence": "image/heic", "image/heif-sequence": "image/heif",
}  # fmt: skip
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"), (b"%PDF-", "application/pdf"), (b"II*\x00", "image/tiff"), (b"MM\x00*", "image/tiff"),
    (b"BEGIN:VCARD", "text/vcard"), (b"BEGIN:VCALENDAR", "text/calendar"),
)  # fmt: skip
_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif", b"avif": "image/avif"}

PROGRAM = "it is a program, which could do harm when it is opened"
SCRIPT = "it is a script or a shortcut, which could do harm when it is opened"
MACROS = "it is an Office file with macros, which could do harm when it is opened"
PAGE = "it is a web page or a drawing that can run scripts, which could do harm when it is opened"
ARCHIVE = "it is an archive, and nobody can see what is in it; ask for the files themselves"
WINMAIL = (
    "Outlook packed the files in a form only Outlook reads (winmail.dat); ask for them once more, one by one"
)
ENCRYPTED = "it is encrypted, and we have no key to it"
ELSEWHERE = "it is only a note that the file lies somewhere else"

_ENDINGS = {
    PROGRAM: "exe com scr pif msi msp mst msix appx dll cpl sys drv ocx jar class app apk ipa dmg pkg deb rpm appimage run"
    " bin elf gadget xll chm hlp",
    SCRIPT: "bat cmd vb vbs vbe js jse mjs cjs ws wsf wsh wsc sct hta ps1 ps2 psc1 psm1 psd1 ps1xml sh bash zsh csh ksh"
    " command py pyc pyw pyz pl rb php phar asp aspx jsp lnk url website webloc desktop scf inf reg msc jnlp iqy slk"
    " application settingcontent-ms appref-ms library-ms search-ms searchconnector-ms diagcab diagpkg theme one onepkg"
    " osd ade adp mdb accdb mde accde rdp",
    MACROS: "docm dotm xlsm xltm xlsb xlam xla pptm potm ppam ppsm sldm wiz",
    PAGE: "html htm xhtml xht shtml mht mhtml svg svgz xml xsl xslt swf",
    ARCHIVE: "zip zipx rar 7z gz tgz tar bz2 tbz tbz2 xz txz zst lz lzma lzh lha cab arj ace arc z iso img vhd vhdx udf"
    " wim cpio",
    WINMAIL: "tnef",
    ENCRYPTED: "p7m pgp gpg",
}
_BY_ENDING = {ending: why for why, endings in _ENDINGS.items() for ending in endings.split()}
_BY_TYPE = {
    "application/x-msdownload": PROGRAM, "application/x-msdos-program": PROGRAM, "application/x-dosexec": PROGRAM,
    "application/x-executable": PROGRAM, "application/vnd.microsoft.portable-executable": PROGRAM,
    "application/java-archive": PROGRAM, "application/vnd.android.package-archive": PROGRAM,
    "application/x-sh": SCRIPT, "text/x-sh": SCRIPT, "application/javascript": SCRIPT, "text/javascript": SCRIPT,
    "application/x-javascript": SCRIPT, "application/hta": SCRIPT, "text/vbscript": SCRIPT, "text/x-python": SCRIPT,
    "application/x-httpd-php": SCRIPT, "application/x-ms-shortcut": SCRIPT,
    "text/html": PAGE, "application/xhtml+xml": PAGE, "image/svg+xml": PAGE, "text/xml": PAGE, "application/xml": PAGE,
    "multipart/related": PAGE,
    "application/zip": ARCHIVE, "application/x-zip": ARCHIVE, "application/x-zip-compressed": ARCHIVE,
    "application/x-rar": ARCHIVE, "application/vnd.rar": ARCHIVE, "application/x-rar-compressed": ARCHIVE,
    "application/x-7z-compressed": ARCHIVE, "application/gzip": ARCHIVE, "application/x-gzip": ARCHIVE,
    "application/x-tar": ARCHIVE, "application/x-iso9660-image": ARCHIVE, "application/x-bzip2": ARCHIVE,
    "application/ms-tnef": WINMAIL, "application/vnd.ms-tnef": WINMAIL,
    "application/pkcs7-mime": ENCRYPTED, "application/x-pkcs7-mime": ENCRYPTED, "application/pgp-encrypted": ENCRYPTED,
    "message/external-body": ELSEWHERE, "message/partial": ELSEWHERE,
}  # fmt: skip
_BAD_MAGIC = (
    (b"MZ", PROGRAM), (b"\x7fELF", PROGRAM), (b"\xcf\xfa\xed\xfe", PROGRAM), (b"\xce\xfa\xed\xfe", PROGRAM),
    (b"\xfe\xed\xfa", PROGRAM), (b"\xca\xfe\xba\xbe", PROGRAM), (b"#!", SCRIPT), (b"L\x00\x00\x00\x01\x14\x02\x00", SCRIPT),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", SCRIPT), (b"Rar!\x1a\x07", ARCHIVE), (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"\x1f\x8b\x08", ARCHIVE), (b"BZh", ARCHIVE), (b"\xfd7zXZ\x00", ARCHIVE), (b"MSCF", ARCHIVE),
    (b"\x78\x9f\x3e\x22", WINMAIL),
)  # fmt: skip
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<script", b"<svg", b"<?xml", b"<?php", b"<head", b"<body")
# Files that are zip archives in disguise, and harmless without macros.
_ZIPPED = frozenset({"docx", "xlsx", "pptx", "odt", "ods", "odp", "pages", "numbers", "key"})
_PLAIN = frozenset({"txt", "csv", "eml"})


def kind_of(name: str, declared: str, content: bytes = b"") -> str:
    """The media type a file really has: what its bytes say, else the mail, else its ending; only types we know."""
    for start, kind in _MAGIC:
        if content.startswith(start):
            return kind
    if content[4:8] == b"ftyp" and (brand := _BRANDS.get(content[8:12])):
        return brand
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    told = declared.strip().lower()
    told = _OTHER_NAMES.get(told, told)
    return told if told in _KNOWN else _KINDS.get(_ending(name), GENERIC)


def danger_of_name(name: str, declared: str) -> str | None:
    """Why a file of this name and declared type is not kept, None when it may be."""
    if name.lower() == "winmail.dat":
        return WINMAIL
    ending = _ending(name)
    # A zip by its type may be a document by its name: what it is, its content says.
    by_type = None if ending in _ZIPPED else _BY_TYPE.get(declared.strip().lower())
    return _BY_ENDING.get(ending) or by_type


def danger_of_content(name: str, content: bytes) -> str | None:
    """Why a file with these bytes is not kept, whatever it calls itself."""
    for start, why in _BAD_MAGIC:
        if content.startswith(start):
            return None if why is SCRIPT and _ending(name) in _PLAIN else why
    if content.startswith(b"PK\x03\x04"):
        return MACROS if b"vbaProject.bin" in content else None if _ending(name) in _ZIPPED else ARCHIVE
    if content.startswith(b"\xd0\xcf\x11\xe0") and "_VBA_PROJECT".encode("utf-16-le") in content:
        return MACROS
    start_of_text = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return PAGE if start_of_text.startswith(_PAGE_STARTS) and _ending(name) not in _PLAIN else None


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower().strip() if "." in name else ""
