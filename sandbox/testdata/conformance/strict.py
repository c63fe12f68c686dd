"""Checks raw responses against botocore's service models, strictly.

botocore itself forgives: it ignores members that it doesn't know and leaves
out those that are missing. This walks the response beside the model instead
and notes unknown members, missing required ones, scalars of the wrong type,
values that an enum doesn't have, and error codes that an operation doesn't
name.
"""

import base64
import binascii
import datetime
import io
import json
import re
from xml.etree import ElementTree

import botocore.parsers

# What AWS itself answers although its model doesn't list it.
EXTRA_ENUM = {
    "AttachmentStatus": {"available"},  # EC2 calls an attached internet gateway available
    "PermissionsBoundaryAttachmentType": {"Policy"},  # so the API reference, and so IAM
    "ResourceStatus": {"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"},  # the stack's own events
}

# Codes that any operation of a service may give, after its "Common Errors".
COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "AuthFailure", "AuthorizationError", "ExpiredToken", "IncompleteSignature",
    "InvalidAction", "InvalidClientTokenId", "MissingParameter", "OptInRequired", "RequestExpired", "SignatureDoesNotMatch",
    "Throttling", "ThrottlingException", "UnauthorizedOperation", "UnrecognizedClientException", "ValidationError", "ValidationException",
}

EC2_CODE = re.compile(r"^[A-Z][A-Za-z0-9]+([.][A-Z][A-Za-z0-9.]*)?$")


def seconds(value):
    """A decoded value with times as JSON has them."""
    if isinstance(value, dict):
        return {k: seconds(v) for k, v in value.items()}
    if isinstance(value, list):
        return [seconds(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return value


class Checker:
    """Collects the problems of one sandbox's responses."""

    def __init__(self):
        self.problems = []
        self.succeeded = set()

    def note(self, where, what):
        self.problems.append((where, what))

    def attach(self, client, service):
        """Watches a client: every response goes through response()."""
        client.meta.events.register(
            "before-parse.*",
            lambda operation_model, response_dict, **_: self.response(service, operation_model, response_dict),
        )

    def response(self, service, model, response):
        where = service + ":" + model.name
        protocol = model.service_model.resolved_protocol
        if response["status_code"] >= 300:
            if response["body"]:
                self.error(where, model, protocol, response)
            return
        self.succeeded.add(where)
        if protocol in ("query", "ec2"):
            self.query(where, model, protocol, response)
        elif protocol == "rest-xml":
            self.rest_xml(where, model, response)
        else:
            self.json_body(where, model, response)

    # XML

    def root(self, where, body):
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError as e:
            self.note(where, f"body isn't XML: {e}")
            return None
        for e in root.iter():
            e.tag = e.tag.rsplit("}", 1)[-1]
        return root

    def query(self, where, model, protocol, response):
        root = self.root(where, response["body"])
        if root is None:
            return
        if root.tag != model.name + "Response":
            self.note(where, f"root element is {root.tag}")
        children = list(root)
        if protocol == "ec2":
            children = [c for c in children if c.tag != "requestId"]
            if len(children) == len(root):
                self.note(where, "no requestId")
            if model.output_shape is None:
                children = [c for c in children if c.tag != "return"]
        else:
            if root.find("ResponseMetadata/RequestId") is None:
                self.note(where, "no ResponseMetadata/RequestId")
            wrapper = model.output_shape and model.output_shape.serialization.get("resultWrapper")
            result = root.find(wrapper) if wrapper else None
            extra = [c.tag for c in root if c.tag not in ("ResponseMetadata", wrapper)]
            if extra:
                self.note(where, f"unknown elements {extra}")
            children = list(result) if result is not None else []
            if wrapper and result is None:
                self.note(where, f"no {wrapper}")
        if model.output_shape is not None:
            self.xml_structure(where, model.output_shape, children)
        elif children:
            self.note(where, f"unknown elements {[c.tag for c in children]}")

    def rest_xml(self, where, model, response):
        shape = model.output_shape
        if shape is None:
            return
        in_body = {n: m for n, m in shape.members.items() if "location" not in m.serialization}
        self.headers(where, shape, response["headers"])
        payload = shape.serialization.get("payload")
        if payload:
            target = shape.members[payload]
            if target.type_name != "structure":
                return
            in_body, shape = target.members, target
        if not in_body:
            return
        if not response["body"]:
            if any(n in shape.required_members for n in in_body):
                self.note(where, "no body")
            return
        root = self.root(where, response["body"])
        if root is None:
            return
        if model.name == "GetBucketLocation":  # the root element is the value
            return
        self.xml_structure(where, shape, list(root), ignore_located=True)

    def headers(self, where, shape, headers):
        for name, member in shape.members.items():
            if member.serialization.get("location") != "header":
                continue
            value = headers.get(member.serialization.get("name", name))
            if value is not None:
                self.scalar(f"{where} header {name}", member, value, timestamp="rfc822")
            elif name in shape.required_members:
                self.note(where, f"no header for {name}")

    def xml_structure(self, where, shape, children, ignore_located=False):
        members = {}
        for name, member in shape.members.items():
            if ignore_located and "location" in member.serialization or member.serialization.get("xmlAttribute"):
                continue
            key = member.serialization.get("name", name)
            if member.type_name == "list" and member.serialization.get("flattened"):
                key = member.member.serialization.get("name", key)
            members[key] = (name, member)
        seen = {}
        for child in children:
            if child.tag not in members:
                self.note(where, f"unknown element {child.tag}")
            seen.setdefault(child.tag, []).append(child)
        for key, (name, member) in members.items():
            found = seen.get(key, [])
            if not found:
                if name in shape.required_members and not (member.type_name == "list" and member.serialization.get("flattened")):
                    self.note(where, f"required {name} is missing")
                continue
            path = f"{where} {name}"
            if member.type_name in ("list", "map") and member.serialization.get("flattened"):
                for item in found:
                    self.xml(path, member.member if member.type_name == "list" else member.value, item)
                continue
            if len(found) > 1:
                self.note(path, f"{len(found)} times")
            self.xml(path, member, found[0])

    def xml(self, where, shape, node):
        if shape.type_name == "structure":
            self.xml_structure(where, shape, list(node))
        elif shape.type_name == "list":
            name = shape.member.serialization.get("name", "member")
            for child in node:
                if child.tag != name:
                    self.note(where, f"list holds {child.tag}, not {name}")
                self.xml(where + "[]", shape.member, child)
        elif shape.type_name == "map":
            key = shape.key.serialization.get("name", "key")
            value = shape.value.serialization.get("name", "value")
            for entry in node:
                if [c.tag for c in entry] != [key, value]:
                    self.note(where, f"map entry holds {[c.tag for c in entry]}")
                    continue
                self.xml(where + "{}", shape.key, entry[0])
                self.xml(where + "{}", shape.value, entry[1])
        else:
            if len(node):
                self.note(where, f"a {shape.type_name} has child elements")
            self.scalar(where, shape, node.text or "")

    # JSON

    def decoded(self, protocol, body):
        if protocol != "smithy-rpc-v2-cbor":
            return json.loads(body or b"{}")
        return seconds(botocore.parsers.BaseCBORParser(None).parse_data_item(io.BufferedReader(io.BytesIO(body))))

    def json_body(self, where, model, response):
        if model.output_shape is None:
            if response["body"] not in (b"", b"{}", b"\xa0"):
                self.note(where, f"no output is known, got {response['body'][:80]!r}")
            return
        payload = model.output_shape.serialization.get("payload")
        if payload and model.output_shape.members[payload].type_name == "blob":
            self.headers(where, model.output_shape, response["headers"])
            return
        try:
            value = self.decoded(model.service_model.resolved_protocol, response["body"])
        except ValueError as e:
            self.note(where, f"body isn't JSON: {e}")
            return
        self.json(where, model.output_shape, value)

    def json(self, where, shape, value):
        kind = shape.type_name
        if kind == "structure":
            if not isinstance(value, dict):
                self.note(where, f"want an object, got {value!r}")
                return
            members = {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
            for key, v in value.items():
                if key not in members:
                    self.note(where, f"unknown member {key}")
                elif v is None:
                    self.note(where, f"{key} is null")
                else:
                    self.json(f"{where} {key}", members[key][1], v)
            for key, (name, _) in members.items():
                if name in shape.required_members and key not in value:
                    self.note(where, f"required {name} is missing")
        elif kind == "list":
            if not isinstance(value, list):
                self.note(where, f"want a list, got {value!r}")
                return
            for v in value:
                self.json(where + "[]", shape.member, v)
        elif kind == "map":
            if not isinstance(value, dict):
                self.note(where, f"want a map, got {value!r}")
                return
            for k, v in value.items():
                self.scalar(where + "{}", shape.key, k)
                self.json(where + "{}", shape.value, v)
        else:
            want = {"string": str, "character": str, "blob": str, "boolean": bool, "integer": int, "long": int,
                    "float": (int, float), "double": (int, float), "timestamp": (int, float)}[kind]
            if kind == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
                want = str
            if not isinstance(value, want) or kind != "boolean" and isinstance(value, bool):
                self.note(where, f"want {kind}, got {value!r}")
            elif isinstance(value, str) and kind != "timestamp":
                self.scalar(where, shape, value)

    # Scalars

    def scalar(self, where, shape, value, timestamp="iso8601"):
        kind = shape.type_name
        try:
            if kind in ("integer", "long"):
                int(value)
            elif kind in ("float", "double"):
                float(value)
            elif kind == "boolean":
                if value not in ("true", "false"):
                    raise ValueError("want true or false")
            elif kind == "blob":
                base64.b64decode(value, validate=True)
            elif kind == "timestamp":
                if (shape.serialization.get("timestampFormat") or timestamp) == "rfc822":
                    datetime.datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT")
                else:
                    datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ" if "." in value else "%Y-%m-%dT%H:%M:%SZ")
        except (ValueError, binascii.Error) as e:
            self.note(where, f"{value!r} is no {kind}: {e}")
        choices = getattr(shape, "enum", None)
        if choices and value not in choices and value not in EXTRA_ENUM.get(shape.name, ()):
            self.note(where, f"{value!r} is none of {shape.name}'s values")

    # Errors

    def error(self, where, model, protocol, response):
        code = self.code(where, model, protocol, response)
        if code is None or code in COMMON_ERRORS:
            return
        named = set()
        for shape in model.error_shapes:
            named.add(shape.metadata.get("error", {}).get("code", shape.name))
        service = model.service_model.service_name
        if service == "ec2":
            if not EC2_CODE.match(code):
                self.note(where, f"error code {code!r}")
        elif service != "s3" and code not in named:  # S3's model names hardly any
            self.note(where, f"error {code} is none of {sorted(named)}")

    def code(self, where, model, protocol, response):
        if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor"):
            try:
                body = self.decoded(protocol, response["body"])
            except ValueError:
                self.note(where, "error body isn't JSON")
                return None
            code = (body.get("__type") or response["headers"].get("x-amzn-errortype")).rsplit("#", 1)[-1]
            shapes = {s.name: s for s in model.service_model.error_shapes}
            if code in shapes:
                self.json_error(where, shapes[code], body)
            return code
        root = self.root(where, response["body"])
        if root is None:
            return None
        code = root.findtext({"ec2": "Errors/Error/Code", "query": "Error/Code", "rest-xml": "Code"}[protocol])
        request = root.findtext({"ec2": "RequestID", "query": "RequestId", "rest-xml": "RequestId"}[protocol])
        if not code or not request:
            self.note(where, f"error without code or request id: {response['body'][:200]!r}")
        return code

    def json_error(self, where, shape, body):
        known = {m.serialization.get("name", n) for n, m in shape.members.items()} | {"__type", "message", "Message"}
        for key in body:
            if key not in known:
                self.note(where, f"error {shape.name} has unknown member {key}")
