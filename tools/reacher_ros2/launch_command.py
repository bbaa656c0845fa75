"""`ros2 launch`: run a launch file of a package, or one given by its path."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ros2cli.command import CommandExtension

if TYPE_CHECKING:
    from launch import LaunchDescription


class LaunchCommand(CommandExtension):  # type: ignore[misc]
    """Run a launch file."""

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        """Declare the command's arguments."""
        parser.add_argument("package_name", help="package that has the launch file, or the path of a launch file")
        parser.add_argument("launch_file_name", nargs="?", help="name of the launch file")
        parser.add_argument("launch_arguments", nargs="*", help="arguments of the launch file, as '<name>:=<value>'")
        parser.add_argument("-n", "--noninteractive", action="store_true", help="run without a terminal")
        parser.add_argument("-d", "--debug", action="store_true", help="more log output")
        parser.add_argument("-p", "--print", "--print-description", action="store_true", help="print, don't run")
        parser.add_argument("-s", "--show-args", "--show-arguments", action="store_true", help="show the arguments")

    def main(self, *, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int | str:
        """Run, print or describe the launch file; return the exit code, or an error message for stderr."""
        try:
            path, pairs = find_launch_file(args.package_name, args.launch_file_name, args.launch_arguments)
            launch_arguments = parse_launch_arguments(pairs)
        except ValueError as error:
            return str(error)

        # Importing launch takes a third of a second, so names are checked first.
        from launch import LaunchDescription, LaunchIntrospector, LaunchService
        from launch.actions import IncludeLaunchDescription
        from launch.invalid_launch_file_error import InvalidLaunchFileError
        from launch.launch_description_sources import AnyLaunchDescriptionSource

        source = AnyLaunchDescriptionSource(str(path))
        if args.print or args.show_args:
            try:
                description = source.try_get_launch_description_without_context()
            except InvalidLaunchFileError as error:
                return str(error)
            if args.print:
                print(LaunchIntrospector().format_launch_description(description))
            else:
                print_launch_arguments(description)
            return 0

        noninteractive = args.noninteractive or not sys.stdin.isatty()
        service = LaunchService(argv=pairs, noninteractive=noninteractive, debug=args.debug)
        # A launch file learns its own path only when it is included.
        service.include_launch_description(
            LaunchDescription([IncludeLaunchDescription(source, launch_arguments=launch_arguments)])
        )
        return int(service.run())


def find_launch_file(package_or_path: str, name: str | None, arguments: list[str]) -> tuple[Path, list[str]]:
    """Find the launch file that the command line names.

    Args:
        package_or_path: A package's name, or the path of a launch file.
        name: The launch file's name in that package; after a path, the first launch argument.
        arguments: The (other) launch arguments.

    Returns:
        The path of the file and all launch arguments.

    Raises:
        ValueError: The package or file does not exist.
    """
    if "/" in package_or_path or Path(package_or_path).is_file():
        path = Path(package_or_path)
        if not path.is_file():
            raise ValueError(f"there is no launch file '{path}'")
        return path, ([] if name is None else [name]) + arguments

    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        share = Path(get_package_share_directory(package_or_path))
    except (PackageNotFoundError, ValueError):
        raise ValueError(f"there is no package and no launch file '{package_or_path}'") from None
    known = sorted({path.name for path in share.rglob("*launch*") if path.suffix in (".py", ".xml", ".yaml", ".yml")})
    having = f"package '{package_or_path}' has {', '.join(known) if known else 'no launch files'}"
    if name is None:
        raise ValueError(f"name a launch file: {having}")
    found = sorted(path for path in share.rglob(name) if path.is_file())
    if not found:
        raise ValueError(f"there is no launch file '{name}': {having}")
    if len(found) > 1:
        raise ValueError(f"there is more than one '{name}': {', '.join(map(str, found))}; name it by its path")
    return found[0], arguments


def parse_launch_arguments(arguments: list[str]) -> list[tuple[str, str]]:
    """Split `<name>:=<value>` pairs; the last value of a repeated name is used."""
    parsed: dict[str, str] = {}
    for argument in arguments:
        name, separator, value = argument.partition(":=")
        if not separator or not name:
            raise ValueError(f"malformed launch argument '{argument}', expected '<name>:=<value>'")
        parsed[name] = value
    return list(parsed.items())


def print_launch_arguments(description: LaunchDescription) -> None:
    """Print each argument of a launch file with its description and default."""
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    print("Arguments (pass arguments as '<name>:=<value>'):")
    arguments = description.get_launch_arguments()
    for argument in arguments:
        print(f"\n    '{argument.name}':\n        {argument.description}")
        if argument.default_value is not None:
            try:
                default = repr(perform_substitutions(LaunchContext(), argument.default_value))
            except Exception:  # A default that can only be evaluated by a running launch is described instead.
                default = " + ".join(substitution.describe() for substitution in argument.default_value)
            print(f"        (default: {default})")
    if not arguments:
        print("\n  No arguments.")
