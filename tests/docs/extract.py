#!/usr/bin/env python3
"""The fenced code blocks of Markdown pages, as files that compile; and a check of their links.

  extract.py pages ROOT             README.md and docs/*.md, a line each
  extract.py list PAGE...           a line for each block: PAGE|LINE|LANGUAGE|main or part|core or io
  extract.py write PAGE LINE FILE   the block that begins at LINE, as written, with #line directives
  extract.py links ROOT PAGE...     fails where a relative link leads to no file or no heading, where no page links to a
                                    page of docs/, and where the pages are not those that meson configured, PAGE...

A block without main is a part: it has to be a translation unit of its own all the same.
"""
import pathlib
import re
import sys

LANGUAGES = {"cpp", "c"}
MAIN = re.compile(r"^int main\(", re.MULTILINE)


def blocks(page):
    """(line of the first line of code, language, code) of each block in a language that compiles."""
    language, first, code = None, 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if language is None:
            if line.startswith("```"):
                language, first, code = line[3:].strip(), number + 1, []
        elif line.startswith("```"):
            if language in LANGUAGES:
                yield first, language, "\n".join(code) + "\n"
            language = None
        else:
            code.append(line)
    if language is not None:
        sys.exit(f"{page}:{first - 1}: this block does not end")


def anchors(page):
    """The anchors of the headings of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def pages(root):
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def faults_of(root, configured):
    found = pages(root)
    for page in sorted(set(found) ^ set(configured)):
        yield f"{page} came or went since meson configured: configure anew"
    linked = {(page.parent / path).resolve() for page in found
              for path in re.findall(r"\]\(([^)#\s:]+)", page.read_text(encoding="utf-8"))}
    for page in found[1:]:
        if page.resolve() not in linked:
            yield f"{page}: no page links to it"
    for page in found:
        yield from broken_links(page)


def broken_links(page):
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            path, _, anchor = target.partition("#")
            if ":" in path:
                continue
            file = page.parent / path if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                yield f"{page}:{number}: {target} leads nowhere"


def main(arguments):
    if arguments[:1] == ["links"]:
        root, *configured = map(pathlib.Path, arguments[1:])
        sys.exit("\n".join(faults_of(root, configured)) or 0)
    if arguments[:1] == ["pages"] and len(arguments) == 2:
        print(*pages(pathlib.Path(arguments[1])), sep="\n")
        return
    if arguments[:1] == ["list"]:
        for page in map(pathlib.Path, arguments[1:]):
            for first, language, code in blocks(page):
                kind = "main" if MAIN.search(code) else "part"
                library = "io" if re.search(r"simdrope/(io|prompts)\.hpp", code) else "core"
                print(page, first, language, kind, library, sep="|")
        return
    if arguments[:1] == ["write"] and len(arguments) == 4:
        page, line, out = pathlib.Path(arguments[1]), int(arguments[2]), pathlib.Path(arguments[3])
        for first, _, code in blocks(page):
            if first == line:
                out.write_text(f'#line {first} "{page.as_posix()}"\n{code}', encoding="utf-8")
                return
        sys.exit(f"{page}: no block begins at line {line}; configure anew")
    sys.exit(__doc__)


main(sys.argv[1:])
