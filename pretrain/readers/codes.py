"""Write code tables (ICD, HCPCS) as sentences: "ICD 10 code for A00.0: Cholera due to …", one document a code.

The template is that of Clinical ModernBERT's code-description pairs. Codes stand as the table writes them
(with or without their dot). Synonyms follow on lines of their own, in the same template.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretrain.readers.raw import RawDocument
from spacy_bioclinical.errors import Errors

CODE_COLUMNS = ("code", "icd_code", "icd9_code", "icd10_code", "hcpcs_code", "hcpcs", "hcpc")
DESCRIPTION_COLUMNS = ("description", "long_description", "long_title", "desc", "title", "short_description")
VERSION_COLUMNS = ("icd_version", "version")
SYNONYMS = "synonyms"
_ICD = re.compile(r"icd[-_ ]?(9|10|11)", re.IGNORECASE)


@dataclass(frozen=True)
class Template:
    """How codes are written.

    version (str | None): "9", "10-CM", "HCPCS" …; by default the table's own column, then the file's name.
    is_asked (bool): the source was said to be a code table, so that a table without codes is an error.
    """

    version: str | None = None
    is_asked: bool = False


def code_keys(names: Mapping[str, Any]) -> tuple[str, str] | None:
    """Find the keys of code and description among those of a record, in any case."""
    lowered = {name.strip().lower(): name for name in names}
    code = next((lowered[name] for name in CODE_COLUMNS if name in lowered), None)
    description = next((lowered[name] for name in DESCRIPTION_COLUMNS if name in lowered), None)
    return None if code is None or description is None else (code, description)


def code_document(file: Path, name: str, record: Mapping[str, Any], template: Template) -> RawDocument | None:
    """Write one record as a sentence; None if it has no code and description and need not have.

    RAISES (ValueError): BC738 for a table that should hold codes and does not, or of unknown version.
    """
    keys = code_keys(record)
    if keys is None:
        if not template.is_asked:
            return None
        why = f"{name} has no code and description"
        raise ValueError(Errors.BC738.format(file=file, why=why))
    code, description = (str(record[key] or "").strip() for key in keys)
    if not code or not description:
        return RawDocument(name, "", record)
    system = _system(file, record, keys[0], template)
    synonyms = record.get(SYNONYMS) or ()
    others = [synonyms] if isinstance(synonyms, str) else [str(one) for one in synonyms]
    lines = dict.fromkeys([description, *(other.strip() for other in others if other.strip())])
    text = "\n".join(f"{system} code for {code}: {line}" for line in lines)
    return RawDocument(name, text, {**record, "id": code})


def _system(file: Path, record: Mapping[str, Any], code_key: str, template: Template) -> str:
    lowered = {name.strip().lower(): value for name, value in record.items()}
    version = template.version or next(
        (str(lowered[name]).strip() for name in VERSION_COLUMNS if lowered.get(name)), None
    )
    if version is None and "hcpc" in f"{file.name} {code_key}".lower():
        version = "HCPCS"
    if version is None:
        named = _ICD.search(file.name) or _ICD.search(code_key)
        version = named[1] if named else None
    if version is None:
        why = "its version is neither in a column nor in the file's name"
        raise ValueError(Errors.BC738.format(file=file, why=why))
    return version if version.upper() == "HCPCS" else f"ICD {version}"
