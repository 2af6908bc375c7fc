"""What a Terraform provider can be told, read out of the binding that CDK Terrain makes of it.

    python schema.py cdktn_provider_aws aws.json aws_s3_bucket aws_sqs_queue ...

Such a binding is generated from the provider's own schema, and lists its types in a file (JSII's
assembly): for each resource an interface of what may be set, a class of what may be read, with
the provider's names in links of the documentation. What is not in there: whether a list is a
set, which makes no difference to a configuration, and what else an optional argument computes.
Runs in the environment of requirements/terraform.txt.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_LINK = re.compile(
    r"/providers/hashicorp/\w+/(?P<version>[\d.]+)/docs"
    r"/(?P<kind>resources|data-sources)/\w+ (?P<type>\w+)\}"
)
_ANCHOR = re.compile(r"/docs[\w/-]*#(?P<name>\w+) ")
_PLAIN = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
# Computed attributes are linked nowhere; these are not spelt as their names in the binding.
_SPELT = {"output_base64_sha256": "output_base64sha256"}
# Of the binding, not of the provider.
_OWN = {"tf_resource_type", "alias", "internal_value"}


class Assembly:
    """The types of a binding, by full name."""

    def __init__(self, package: str) -> None:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise SystemExit(f"{package} is not installed here")
        folder = Path(found.submodule_search_locations[0]) / "_jsii"
        with tarfile.open(next(folder.glob("*.jsii.tgz"))) as bundle:
            member = bundle.extractfile("package/.jsii")
            if member is None:
                raise SystemExit(f"{package} holds no assembly")
            self.types: dict[str, Json] = json.load(member)["types"]

    def read(self, wanted: set[str]) -> Json:
        """`wanted` of the resources and data sources, and the provider's own arguments."""
        document: Json = {"version": "", "provider": {}, "resources": {}, "data": {}}
        for name, one in self.types.items():
            base = one.get("base", "")
            if base == "cdktn.TerraformProvider":
                document["provider"] = self.block(f"{name}Config", None)
            if base not in {"cdktn.TerraformResource", "cdktn.TerraformDataSource"}:
                continue
            link = _LINK.search(one.get("docs", {}).get("summary", ""))
            if link is None:
                continue
            document["version"] = link["version"]
            if link["type"] in wanted:
                kind = "resources" if link["kind"] == "resources" else "data"
                document[kind][link["type"]] = self.block(f"{name}Config", name)
        return document

    def block(self, interface: str, reader: str | None) -> Json:
        """What may be set (`interface`), and of `reader` what can only be read."""
        attributes: Json = {}
        blocks: Json = {}
        for one in self._properties(interface):
            about = one.get("docs", {})
            told = f"{about.get('summary', '')} {about.get('remarks', '')}"
            anchor = _ANCHOR.search(told)
            name = anchor["name"] if anchor else _snake(one["name"])
            # Inherited ones (count, provider, lifecycle) are Terraform's, not the provider's.
            if anchor is None or name in _OWN:
                continue
            if about.get("summary", "").startswith(f"{name} block"):
                kind, many = self._kind(one["type"])
                blocks[name] = {
                    "required": not one.get("optional", False), "many": many,
                    "single": name == "timeouts", **self.block(kind, self._reference(kind)),
                }  # fmt: skip
            else:
                computed = name == "id" and bool(one.get("optional", False))
                attributes[name] = {
                    "type": self._type(one["type"]),
                    "required": not one.get("optional", False),
                    "optional": bool(one.get("optional", False)),
                    "computed": computed,
                }
        for one in self._properties(reader) if reader else ():
            name = _SPELT.get(_snake(one["name"]), _snake(one["name"]))
            settable = one["name"].endswith("Input") or not one.get("immutable", False)
            if settable or name in attributes or name in blocks or name in _OWN:
                continue
            plain = self._type(one["type"])
            if plain == "?":
                continue
            attributes[name] = {
                "type": plain,
                "required": False,
                "optional": False,
                "computed": True,
            }
        return {"attributes": attributes, "blocks": blocks}

    def _properties(self, name: str) -> list[Json]:
        one = self.types.get(name, {})
        return [each for each in one.get("properties", []) if not each.get("static")]

    def _reference(self, interface: str) -> str | None:
        return (
            f"{interface}OutputReference" if f"{interface}OutputReference" in self.types else None
        )

    def _kind(self, told: Json) -> tuple[str, bool]:
        """The interface that a block's property takes, and whether a list of it."""
        for one in told["union"]["types"] if "union" in told else [told]:
            if "collection" in one:
                return self._kind(one["collection"]["elementtype"])[0], True
            if one.get("fqn", "").startswith("@"):
                return str(one["fqn"]), False
        raise SystemExit(f"no interface in {told}")

    def _type(self, told: Json) -> Any:
        """As Terraform writes types; `?` for what only a program can use."""
        if "union" in told:
            return next(
                (found for one in told["union"]["types"] if (found := self._type(one)) != "?"), "?"
            )
        if "primitive" in told:
            return _PLAIN.get(told["primitive"], "dynamic")
        if "collection" in told:
            inner = self._type(told["collection"]["elementtype"])
            kind = "list" if told["collection"]["kind"] == "array" else "map"
            return "?" if inner == "?" else [kind, inner]
        name = told.get("fqn", "")
        if name.endswith("Map") and name.startswith("cdktn."):
            return [
                "map",
                {"cdktn.BooleanMap": "bool", "cdktn.NumberMap": "number"}.get(name, "string"),
            ]
        if name.startswith("@") and self.types.get(name, {}).get("kind") == "interface":
            inner_block = self.block(name, self._reference(name))
            return [
                "object",
                {key: each["type"] for key, each in inner_block["attributes"].items()},
            ]
        return "?"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


if __name__ == "__main__":
    package, out, *types = sys.argv[1:]
    read = Assembly(package).read(set(types))
    Path(out).write_text(json.dumps(read, indent=1))
    print(read["version"])
