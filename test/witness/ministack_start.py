"""Serves ministack on loopback for the scenarios, as it is: nothing is mended.

Usage: ministack_start.py [--port N]

Prints, shortly before it can be asked, an `export NAME=value` line each for
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID (twelve digits: ministack takes them for the
account), AWS_SECRET_ACCESS_KEY and AWS_REGION, and runs until it is stopped.
ministack wants to know its port before it starts, and says nothing when it has:
--port 0, the default, looks for a free one first.
"""

import argparse
import os
import socket
import sys


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    port = args.port or free_port()
    os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = "127.0.0.1"  # else it serves on all addresses,
    os.environ["IOT_MTLS_ENABLED"] = "0"  # and so does its MQTT broker

    print(f"export AWS_ENDPOINT_URL=http://127.0.0.1:{port}")
    print("export AWS_ACCESS_KEY_ID=111111111111")
    print("export AWS_SECRET_ACCESS_KEY=example")
    print("export AWS_REGION=eu-west-1", flush=True)

    from ministack.app import main as serve

    sys.argv = sys.argv[:1]
    serve()


if __name__ == "__main__":
    main()
