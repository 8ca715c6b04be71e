"""Which expressions a statement may have, and what becomes of them: each column of the table is masked.

What isn't known here isn't passed: the lists name what is allowed, and by exact type, so that a class derived from one
of these, which may render as anything, is none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import BindParameter, Column
from sqlalchemy.sql import elements as el
from sqlalchemy.sql import functions, operators
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from bitting.sqlalchemy.errors import NotCovered

Masked = Callable[[Column[Any]], ColumnElement[Any]]

# Without columns below them, or such as are looked into like any other.
_LEAVES = frozenset({
    BindParameter, el.Null, el.True_, el.False_, el.TypeClause, el.CollationClause,
})  # fmt: skip
_COMPOSED = frozenset({
    el.BinaryExpression, el.UnaryExpression, el.BooleanClauseList, el.ExpressionClauseList, el.ClauseList, el.Grouping,
    el.AsBoolean, el.Case, el.Cast, el.TypeCoerce, el.Extract, el.Label, el._label_reference,
})  # fmt: skip
_OPERATORS = frozenset({
    operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge,
    operators.is_, operators.is_not, operators.is_distinct_from, operators.is_not_distinct_from,
    operators.in_op, operators.not_in_op, operators.between_op, operators.not_between_op,
    operators.like_op, operators.not_like_op, operators.ilike_op, operators.not_ilike_op,
    operators.startswith_op, operators.not_startswith_op, operators.endswith_op, operators.not_endswith_op,
    operators.contains_op, operators.not_contains_op,
    operators.istartswith_op, operators.not_istartswith_op, operators.iendswith_op, operators.not_iendswith_op,
    operators.icontains_op, operators.not_icontains_op,
    operators.add, operators.sub, operators.mul, operators.truediv, operators.floordiv, operators.mod,
    operators.concat_op, operators.collate, operators.neg, operators.inv, operators.and_, operators.or_,
    operators.istrue, operators.isfalse, operators.comma_op, operators.distinct_op,
    operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op,
})  # fmt: skip
_FUNCTIONS = frozenset({
    "abs", "array_agg", "avg", "bool_and", "bool_or", "ceil", "ceiling", "char_length", "coalesce", "concat", "count",
    "current_date", "current_timestamp", "date", "date_part", "date_trunc", "datetime", "every", "floor", "greatest",
    "group_concat", "least", "length", "lower", "ltrim", "max", "min", "mod", "now", "nullif", "power", "replace",
    "round", "rtrim", "sign", "sqrt", "stddev", "stddev_pop", "stddev_samp", "strftime", "string_agg", "substr",
    "substring", "sum", "total", "trim", "upper", "variance", "var_pop", "var_samp",
})  # fmt: skip
_FUNCTION_TYPES = frozenset({
    functions.Function, *(
        kind for name, kind in vars(functions).items() if name in _FUNCTIONS and isinstance(kind, type)
    ),
})  # fmt: skip

# Comparisons: they raise no error, whatever stands in a row.
_COMPARISONS = frozenset({
    operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge,
    operators.is_, operators.is_not, operators.is_distinct_from, operators.is_not_distinct_from,
    operators.in_op, operators.not_in_op, operators.between_op, operators.not_between_op,
})  # fmt: skip
# Those of them that are never true of a missing value. NOT IN is not: no value is not in an empty list.
_STRICT = frozenset({
    operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge,
    operators.in_op, operators.between_op,
})  # fmt: skip


def bare(element: Any) -> Any:
    """An element without what the ORM noted on it."""
    return element._deannotate() if getattr(element, "_annotations", None) else element


def masked(element: Any, mask: Masked) -> Any:
    """An expression with each column in it masked.

    Raises NotCovered for anything that isn't known.
    """
    element = bare(element)
    kind = type(element)
    if kind is Column:
        return mask(element)
    if kind in _LEAVES:
        return element
    if kind in _FUNCTION_TYPES:
        _check_function(element)
        if _counts_rows(element):
            return element
    elif kind not in _COMPOSED:
        raise NotCovered(f"{_said(element)} is not covered")
    _check_operators(element)
    if kind in (el.Label, el._label_reference):
        # A name could mean a column of the table, which PostgreSQL prefers in GROUP BY.
        return masked(element.element, mask)
    copy = element._clone()
    copy._copy_internals(clone=lambda child, **_: masked(child, mask))
    return copy


def _check_operators(element: Any) -> None:
    for name in ("operator", "modifier", "negate"):
        operator = getattr(element, name, None)
        if operator is not None and operator not in _OPERATORS:
            raise NotCovered(
                f"the operator {getattr(operator, 'opstring', getattr(operator, '__name__', operator))} is not covered"
            )


def _check_function(element: Any) -> None:
    if element.packagenames or element.name.lower() not in _FUNCTIONS:
        raise NotCovered(f"the function {'.'.join((*element.packagenames, element.name))} is not covered")
    if element._with_ordinality or element._table_value_type is not None:
        raise NotCovered("a function that gives rows is not covered")


def _counts_rows(element: Any) -> bool:
    """`count(*)`, whose argument is a text."""
    given = list(element.clauses)
    return (
        type(element) is functions.count
        and len(given) == 1
        and type(given[0]) is el.ColumnClause
        and given[0].is_literal
        and given[0].name == "*"
    )


def _said(element: object) -> str:
    name = getattr(element, "__visit_name__", None)
    return f"'{name}' ({type(element).__name__})"


def conjuncts(criteria: Any) -> Iterator[ClauseElement]:
    """What must all hold for a WHERE to hold."""
    for element in criteria:
        kind, inner = type(element), bare(element)
        if kind is el.BooleanClauseList and inner.operator is operators.and_:
            yield from conjuncts(inner.clauses)
        elif kind is el.Grouping:
            yield from conjuncts([inner.element])
        else:
            yield inner


def filtered(element: Any, cell: Masked, anywhere: Masked) -> Any:
    """An expression of a WHERE, masked.

    The database may look at it before it knows whether the row exists for whoever asks. A comparison tells nothing by
    that, since the row is left out all the same. Anything else could fail, and the failure would tell; so there cells
    are masked by `anywhere`, as those of rows that don't exist are.
    """
    element = bare(element)
    kind = type(element)
    if kind is Column:
        return cell(element)
    if kind is el.BinaryExpression and element.operator in _COMPARISONS:
        _check_operators(element)
        copy = element._clone()
        copy.left, copy.right = (_operand(side, cell, anywhere) for side in (element.left, element.right))
        return copy
    structure = kind in (el.BooleanClauseList, el.Grouping) or (
        kind is el.UnaryExpression and element.operator is operators.inv
    )
    if not structure:
        return masked(element, anywhere)
    _check_operators(element)
    copy = element._clone()
    copy._copy_internals(clone=lambda child, **_: filtered(child, cell, anywhere))
    return copy


def _operand(side: Any, cell: Masked, anywhere: Masked) -> Any:
    plain = bare(side)
    return cell(plain) if type(plain) is Column else masked(plain, anywhere)


def sought(element: Any) -> Column[Any] | None:
    """The column of `column = value` and the like: such a comparison of a missing value is never true.

    So it may stand beside the condition under which the cell is shown, bare, and an index is searched by it.
    """
    if type(element) is not el.BinaryExpression or element.operator not in _STRICT:
        return None
    left, right = bare(element.left), bare(element.right)
    values = right.clauses if type(right) is el.ExpressionClauseList else [right]
    if type(left) is not Column or any(type(bare(value)) is not BindParameter for value in values):
        return None
    return left
