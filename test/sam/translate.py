"""Translates SAM templates with AWS's own translator, for the comparison.

Reads a JSON list of files from standard input, and writes for each of them the
template as it was read and what the translator made of it:
[{"file": ..., "template": ..., "result": ...} or {..., "error": ...}].

Parameters and the region that a template is translated with are in its
Metadata, under Test: {Parameters: {...}, Region: ...}.
"""

import copy
import json
import logging
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
logging.disable(logging.CRITICAL)

import yaml  # noqa: E402
from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.translator.arn_generator import ArnGenerator  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's YAML: short functions, and dates as text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def short(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else "Fn::" + suffix: value}


Loader.add_multi_constructor("!", short)


class NoPolicies:
    """The names of managed policies are the translator's own."""

    def load(self):
        return {}


def translate(file):
    with open(file, encoding="utf-8") as f:
        template = yaml.load(f, Loader)
    out = {"file": file, "template": copy.deepcopy(template)}
    test = template.get("Metadata", {}).get("Test", {})
    region = test.get("Region", "eu-west-1")
    os.environ["AWS_DEFAULT_REGION"] = region
    ArnGenerator.BOTO_SESSION_REGION_NAME = region
    try:
        out["result"] = transform(template, dict(test.get("Parameters", {})), NoPolicies())
    except InvalidDocumentException as e:
        out["error"] = e.message + " " + " ".join(c.message for c in e.causes)
    return out


if __name__ == "__main__":
    json.dump([translate(f) for f in json.load(sys.stdin)], sys.stdout)
