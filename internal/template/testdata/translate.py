"""Prints the types and ids that aws-sam-translator makes of a template, as JSON."""
import json
import sys

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

session = boto3.Session(region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
with open(sys.argv[1]) as f:
    template = yaml_parse(f.read())
try:
    out = Translator({}, Parser(), boto_session=session).translate(template, {})
except InvalidDocumentException as e:
    sys.exit("; ".join(c.message for c in e.causes))
json.dump({name: r["Type"] for name, r in out["Resources"].items()}, sys.stdout)
