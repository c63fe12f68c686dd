"""Writes the types of the members of requests, of the operations that a sandbox
serves, from the service models that botocore ships. Of forms, which are all text,
only those that are numbers or booleans, and what leads to them.

    shapes.py < OPERATIONS > shapes.txt

OPERATIONS has lines "service operation". shapes.go explains what is written.
"""

import sys

import botocore.session

NAMES = {"tagging": ["resourcegroupstaggingapi"], "servicequotas": ["service-quotas"], "monitoring": ["cloudwatch"], "dynamodb": ["dynamodb", "dynamodbstreams"]}
SCALARS = {"string": "s", "character": "s", "blob": "s", "integer": "i", "long": "l", "float": "f", "double": "f", "boolean": "b", "timestamp": "t"}


def kind(shape, found):
    """The type of a shape: a letter, a structure's name, [type or {type."""
    if shape.type_name == "list":
        return "[" + kind(shape.member, found)
    if shape.type_name == "map":
        return "{" + kind(shape.value, found)
    if shape.type_name == "structure":
        if getattr(shape, "is_document_type", False):
            return "*"
        if shape.name not in found:
            found[shape.name] = ""
            found[shape.name] = members(shape, found)
        return shape.name
    return SCALARS[shape.type_name]


def members(shape, found):
    """The members of a structure that are in a body, "name=type" each."""
    out = []
    for name, member in sorted(shape.members.items()):
        if member.serialization.get("location"):
            continue
        out.append(f"{key(name, member)}={kind(member, found)}")
    return " ".join(out)


def key(name, member):
    """The name of a member in a request; "queryName" is EC2's own."""
    return member.serialization.get("queryName", member.serialization.get("name", name))


def capitals(shape):
    """Gives the members of a shape, and all that they lead to, EC2's names."""
    if shape.type_name == "list":
        capitals(shape.member)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            at = key(name, member)
            member.serialization["queryName"] = at[0].upper() + at[1:]
            capitals(member)


def prune(inputs, found):
    """Leaves what is a number or a boolean, and what leads to one."""
    changed = True
    while changed:
        changed = False
        for lines in inputs, found:
            for name, text in lines.items():
                kept = []
                for m in text.split():
                    of = m.split("=")[1].lstrip("[{")
                    if of in "ilfb" or found.get(of):
                        kept.append(m)
                changed = changed or len(kept) < len(text.split())
                lines[name] = " ".join(kept)
    for name in [n for n, text in found.items() if not text]:
        del found[name]


def operation(session, service, name):
    """The model of an operation; an endpoint may be of two services."""
    for at in NAMES.get(service, (service,)):
        model = session.get_service_model(at)
        if name in model.operation_names:
            return model.operation_model(name)
    raise LookupError(f"botocore knows no {service}:{name}")


def main():
    session = botocore.session.Session()
    served = {}
    for line in sys.stdin:
        service, name = line.split()
        served.setdefault(service, []).append(name)
    for service in sorted(served):
        inputs, found = {}, {}
        for name in sorted(served[service]):
            model = operation(session, service, name)
            shape = model.input_shape
            if shape is not None and "payload" in shape.serialization:
                shape = shape.members[shape.serialization["payload"]]
            form = model.service_model.metadata["protocol"] in ("query", "ec2")
            if shape is not None and shape.type_name == "structure":
                if model.service_model.metadata["protocol"] == "ec2":
                    capitals(shape)
                inputs[name] = members(shape, found)
        if form:
            prune(inputs, found)
        print("service", service)
        for mark, lines in ("=", inputs), ("", found):
            for name, text in sorted(lines.items()):
                print((mark + name + " " + text).strip())


main()
