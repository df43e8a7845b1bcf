"""The syntax of a module as text, so that a change of comments, docstrings or layout is no change of the code."""

from __future__ import annotations

import ast


def syntax(source: str) -> str:
    """The syntax tree of a module, without docstrings, comments, layout and line numbers."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, or the one under a field."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
