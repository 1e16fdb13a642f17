"""Documents in the shape of BioC JSON and writers of every form the readers take, for tests."""

import json
from xml.sax.saxutils import escape, quoteattr

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'


def annotation(name, text, *places, **infons):
    locations = [{"offset": offset, "length": length} for offset, length in places]
    return {"id": name, "infons": {"type": "Name", **infons}, "locations": locations, "text": text}


def passage(offset, text, *annotations, **more):
    return {"offset": offset, "infons": {}, "text": text, "annotations": list(annotations), **more}


def document(*passages, name="7", **more):
    return {"id": name, "infons": {}, "passages": list(passages), **more}


def as_xml(documents):
    """Write the shape of BioC JSON as BioC XML, in the order of the DTD."""
    inside = "".join(
        f"<document>{_leaf('id', entry['id'])}{_body(entry)}</document>\n" for entry in documents
    )
    return f"{HEAD}<collection><source>s</source><date/><key>k</key>\n{inside}</collection>\n".encode()


def _leaf(tag, value, attributes=""):
    return f"<{tag}{attributes}>{escape(str(value))}</{tag}>"


def _body(entry):
    parts = [
        _leaf("infon", value, f" key={quoteattr(key)}")
        for key, values in entry.get("infons", {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]
    parts += [_leaf("offset", entry["offset"])] if "offset" in entry else []
    for location in entry.get("locations", ()):
        parts.append(f'<location offset="{location["offset"]}" length="{location["length"]}"/>')
    parts += [_leaf("text", entry["text"])] if entry.get("text") is not None else []
    for tag in ("sentence", "annotation", "relation", "passage"):
        for part in entry.get(tag + "s", ()):
            name = f" id={quoteattr(part['id'])}" if "id" in part else ""
            parts.append(f"<{tag}{name}>{_body(part)}</{tag}>")
    for node in entry.get("nodes", ()):
        parts.append(f"<node refid={quoteattr(node['refid'])} role={quoteattr(node['role'])}/>")
    return "".join(parts)


def dumped(value):
    return json.dumps(value, ensure_ascii=False).encode()


WRITERS = {
    "xml": as_xml,
    "collection": lambda docs: dumped({"source": "s", "infons": {}, "documents": docs, "key": "k"}),
    "indented": lambda docs: json.dumps({"documents": docs}, indent=1).encode(),
    "pubtator3": lambda docs: dumped({"PubTator3": docs}),
    "list": lambda docs: dumped(docs),
    "list of collections": lambda docs: json.dumps(
        [{"documents": docs}, {"documents": []}], indent=2
    ).encode(),
    "lines": lambda docs: b"".join(dumped(entry) + b"\r\n" for entry in docs),
    "lines of collections": lambda docs: b"\n".join(dumped({"documents": [entry]}) for entry in docs),
}
