#!/usr/bin/env python3
"""Style as a test. Reads the C++ sources and fails on what review would refuse, with file, line and reason.

Run it as `tests/tidy/tidy.py`; `--self-test` shows that each rule catches its own bad example.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LINE_LENGTH_MAX = 120
LAYERS = ["runtime", "attestation", "agent", "deploy", "bench", "tests"]

# (pattern, reason, files it is allowed in)
BANNED = [
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(", "unbounded or stateful C string call; use std::string, fmt or snprintf", ()),
    (r"\b(atoi|atol|atof|atoll)\s*\(", "no error is reported; use std::from_chars", ()),
    (r"\bstd::regex\b", "slow, and throws", ("tests/",)),
    (r"\bstd::(cout|cerr|cin|endl)\b", "slow or unstructured output; use fmt, the Logger or the CLI's Output", ()),
    (r"\b(system|popen)\s*\(", "runs a shell", ()),
    (r"\b(sleep|usleep|nanosleep)\s*\(|std::this_thread::sleep", "blocks the I/O thread; await sleep_until()", ("bench/", "tests/")),
    (r"(?<![\w_])throw\b(?!\s*\()", "nothing of ours throws; return an Error", ("tests/",)),
    (r"\b(co_spawn|use_awaitable|asio::detached)\b", "one coroutine type: await through runtime/task/async_op.h", ()),
    (r"\bstd::(thread|jthread|async)\b", "threads belong to runtime/task/worker_pool", ("runtime/task/worker_pool", "bench/", "tests/")),
    (r"\b(localtime|gmtime|strerror|getpwuid|getgrgid|inet_ntoa)\s*\(", "not thread-safe; use the _r form", ()),
    (r"\brand\s*\(", "not random; use RAND_bytes or system_random_unit()", ()),
    (r"\bassert\s*\(", "gone in release builds; use STEEPLE_ASSERT", ()),
    (r"\busing namespace std\b(?!::(chrono_)?literals|::chrono_literals)", "pollutes every includer", ()),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "unfinished work is an issue, not a comment", ()),
]
# A coroutine lambda's captures live in the lambda, not in the coroutine's frame.
CAPTURING_COROUTINE = re.compile(r"\[[^\]\s][^\]]*\]\s*\([^)]*\)\s*(?:mutable\s*)?->\s*(?:runtime::)?Task<")
CONTROL = re.compile(r"\b(if|for|while|switch|catch|do|else|try)\b[^;{}]*$")


def strip(text):
    """Replaces comments, strings and character literals by blanks; keeps line breaks."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def functions(code):
    """Yields (first line, last line) of each function body outside other functions."""
    stack, start = [], 0
    for position, char in enumerate(code):
        if char in ";":
            start = position + 1
        elif char == "{":
            head = code[start:position]
            in_function = any(kind == "function" for kind, _ in stack)
            is_function = (not in_function and "(" in head and not re.search(r"\b(namespace|enum|struct|class|union)\b[^()]*$", head)
                           and not CONTROL.search(head) and not re.search(r"=\s*$", head))
            stack.append(("function" if is_function else "other", code.count("\n", 0, start + len(head) - len(head.lstrip())) + 1))
            start = position + 1
        elif char == "}":
            start = position + 1
            if stack:
                kind, first = stack.pop()
                if kind == "function":
                    yield first, code.count("\n", 0, position) + 1


def layer_of(path):
    return LAYERS.index(path.split("/")[0]) if path.split("/")[0] in LAYERS else None


def check(path, text):
    """Yields (line, message) for one file; `path` is relative to the root."""
    code = strip(text)
    lines = text.split("\n")
    if len(lines) > FILE_LINES_MAX:
        yield 1, f"{len(lines)} lines: a file has at most {FILE_LINES_MAX}"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH_MAX and "http" not in line and not path.startswith("tests/"):
            yield number, f"{len(line)} columns: a line has at most {LINE_LENGTH_MAX}"
    for first, last in functions(code):
        if last - first + 1 > FUNCTION_LINES_MAX and not path.startswith("tests/"):
            yield first, f"function of {last - first + 1} lines: at most {FUNCTION_LINES_MAX}"
    for number, line in enumerate(code.split("\n"), 1):
        for pattern, reason, allowed in BANNED:
            if any(path.startswith(prefix) for prefix in allowed):
                continue
            subject = lines[number - 1] if "TODO" in pattern else line
            match = re.search(pattern, subject)
            if match:
                yield number, f"banned: {match.group(0).strip()}: {reason}"
    for match in CAPTURING_COROUTINE.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, "a lambda with captures is a coroutine: its captures die before its frame"
    own = layer_of(path)
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#include "([^"]+)"', line)
        if include and own is not None:
            other = layer_of(include.group(1))
            if other is not None and other > own:
                yield number, f"{LAYERS[own]} includes {include.group(1)}: upward through the layers"
            if path.startswith("attestation/") and include.group(1).startswith("runtime/grpc/"):
                yield number, "attestation knows nothing of gRPC"
            if path.startswith("runtime/tls/") and re.search(r"spiffe", include.group(1)):
                yield number, "runtime knows nothing of SPIFFE"
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "header without #pragma once"


BAD_EXAMPLES = {
    "runtime/core/a.cc": ["void f() { throw 1; }", "int x = atoi(s);", "// TO" + "DO later", '#include "agent/app/app.h"', "void f() { assert (x); }",
                          "void f() { sleep(1); }", "std::thread t;", "auto t = [x](int y) -> Task<void> { co_return; };",
                          "void f() {\n" + "  g();\n" * FUNCTION_LINES_MAX + "}\n", "int a;\n" * (FILE_LINES_MAX + 1), "int a;" + " " * LINE_LENGTH_MAX + "int b;"],
    "attestation/node/a.cc": ['#include "runtime/grpc/call.h"'],
    "runtime/core/a.h": ["int a;"],
}
GOOD_EXAMPLES = {
    "runtime/core/a.cc": ['const char* s = "throw atoi(x)";  // never throw', "void f() {\n" + "  g();\n" * (FUNCTION_LINES_MAX - 3) + "}\n",
                          "namespace a {\n" + "int b;\n" * 100 + "}\n", "struct A {\n" + "  int b;\n" * 100 + "};\n",
                          "auto t = [](int y) -> Task<void> { co_return; };", '#include "runtime/core/result.h"'],
}


def self_test():
    for path, texts in BAD_EXAMPLES.items():
        for text in texts:
            if not list(check(path, text)):
                sys.exit(f"tidy: the rule for {text[:60]!r} catches nothing")
    for path, texts in GOOD_EXAMPLES.items():
        for text in texts:
            found = list(check(path, text))
            if found:
                sys.exit(f"tidy: {text[:60]!r} is fine, but: {found}")
    print("tidy: every rule catches its example")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", "*.h", "*.cc"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    failures = 0
    for path in sorted(listed.split()):
        if not (ROOT / path).exists():
            continue
        for line, message in check(path, (ROOT / path).read_text(encoding="utf-8")):
            print(f"{path}:{line}: {message}")
            failures += 1
    print(f"tidy: {len(listed.split())} files, {failures} findings")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
