"""`ros2 interface`: show the definitions of messages, services and actions."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ros2cli.command import CommandExtension


class InterfaceCommand(CommandExtension):  # type: ignore[misc]
    """Show information about ROS interfaces."""

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        """Declare the command's arguments."""
        verbs = parser.add_subparsers(title="Commands", dest="verb", required=True)
        show = verbs.add_parser("show", help="print an interface's definition")
        show.add_argument("type", help="for example std_msgs/msg/Header")
        show.add_argument("--no-comments", action="store_true", help="leave comments out")
        package = verbs.add_parser("package", help="list the interfaces of one package")
        package.add_argument("package_name")
        every = verbs.add_parser("list", help="list all interfaces")
        every.add_argument("-m", "--only-msgs", action="store_true")
        every.add_argument("-s", "--only-srvs", action="store_true")
        every.add_argument("-a", "--only-actions", action="store_true")
        verbs.add_parser("packages", help="list the packages that have interfaces")

    def main(self, *, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int | str:
        """Run the command; return the exit code, or an error message for stderr."""
        from rosidl_runtime_py.get_interfaces import get_interface_packages, get_interfaces

        try:
            if args.verb == "show":
                print("\n".join(definition(args.type, comments=not args.no_comments)))
            elif args.verb == "packages":
                print("\n".join(sorted(get_interface_packages())))
            elif args.verb == "package":
                for name in sorted(get_interfaces([args.package_name]).get(args.package_name, [])):
                    print(f"{args.package_name}/{name}")
            else:
                print_list(get_interfaces(), args)
        except (LookupError, ValueError) as error:
            return str(error)
        return 0


def print_list(interfaces: dict[str, list[str]], args: argparse.Namespace) -> None:
    """Print all interfaces by kind."""
    wanted = {"Messages": "msg", "Services": "srv", "Actions": "action"}
    only = {"msg": args.only_msgs, "srv": args.only_srvs, "action": args.only_actions}
    for title, kind in wanted.items():
        if any(only.values()) and not only[kind]:
            continue
        print(f"{title}:")
        names = (f"{package}/{name}" for package, contents in interfaces.items() for name in contents)
        for name in sorted(name for name in names if name.split("/")[1] == kind):
            print(f"    {name}")


def definition(interface: str, *, comments: bool) -> list[str]:
    """Return the lines of an interface's definition, with the fields of nested types indented by a tab.

    Raises:
        LookupError: The interface does not exist.
        ValueError: The name is malformed.
    """
    from rosidl_runtime_py.get_interfaces import get_interface_path

    path = Path(get_interface_path(interface))
    lines = []
    for line in path.read_text().splitlines():
        code = line.split("#")[0].rstrip()
        if comments or code:
            lines.append(line if comments else code)
        nested = nested_type(code, interface.split("/")[0])
        if nested:
            lines += ["\t" + inner for inner in definition(nested, comments=False)]
    return lines


def nested_type(code: str, package: str) -> str | None:
    """Return the full name of the message type of a definition's line; None for a built-in type or no field."""
    match = re.match(r"\s*((?:\w+/)*)([A-Z]\w*)(\[[^\]]*\])?\s+\w+", code)
    if match is None or "=" in code.split("#")[0].split("[")[0]:
        return None
    owner = match.group(1).split("/")[0] or package
    return f"{owner}/msg/{match.group(2)}"
