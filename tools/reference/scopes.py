"""docs/reference/scopes.md: the authority table."""

from __future__ import annotations

from bitting.core.authority import OWN_RESOURCES, OWN_SCOPES, VERIFY, ScopeRule, UserType
from bitting.core.calls import CALLS
from tools.reference.markdown import anchor, code, document, table

_INTRODUCTION = """
A scope is `resource:action`. Each call of the API needs exactly one. A call is allowed when the key's user type
reaches what the scope needs, **and** the key's access level and scopes hold it:

| access level | holds |
| --- | --- |
| `full` | every scope |
| `readOnly` | every `read`, and the actions of declared resources that are marked `readOnly` |
| `limited` | the scopes that it lists; `write` does not include `read`; `resource:*` is every action of a resource |

What a call then shows or changes in the data is for [roles](../roles.md). Which of several keys or users somebody may
manage is narrower than these tables: see [concepts](../concepts.md#who-may-do-what).

## Bitting's own scopes

"As oneself": a personal key acts for its user, who needs only this user type to do the same with what is the user's
own: profile, personal keys.
"""

_VERIFY = f"""
## {code(VERIFY)}

Only services that check keys need it. It is in no `*` and not in `readOnly`: a key holds it when it lists it, or has
access `full` and the user type `administrator` or `owner`. Only a holder can hand it out. So an ordinary leaked key
can't be used to try out other keys.
"""

_DECLARED = """
## Scopes of your own API

`PUT /v1/resources` declares the resources of your own API and their actions. Every user type may have them; keys list
them as scopes, and `POST /v1/keys/verify` asks for them.

```json
{"links": {"read": {"readOnly": true}, "write": {}}}
```

A scope that names something undeclared is refused when the key is written. Bitting's own names can't be declared. A
resource or action that a key names can't be removed (409 `conflict`). Names are a lower-case letter, then letters,
digits and hyphens.
"""


def page() -> str:
    """The page."""
    rows = [_row(scope, rule) for scope, rule in OWN_SCOPES.items()]
    return document(
        "Scopes",
        _INTRODUCTION,
        table(["scope", "workspace keys need", "as oneself", "`readOnly` keys", "calls"], rows),
        f"## By user type\n\n{user_types()}",
        _VERIFY,
        _DECLARED,
    )


def needed(scope: str | None) -> str:
    """What user type a call with this scope needs, in words."""
    if scope is None:
        return "any"
    rule = OWN_SCOPES[scope]
    if scope == VERIFY:
        return "any that lists it, or `full` administrators and owners"
    return code(rule.minimum) + (f"; {code(rule.person)} for one's own" if rule.person is not rule.minimum else "")


def _row(scope: str, rule: ScopeRule) -> list[str]:
    calls = [f"[{code(call.name)}](api.md{anchor(call.name)})" for call in CALLS if call.scope == scope]
    person = code(rule.person) if rule.person is not rule.minimum else "–"
    return [code(scope), code(rule.minimum), person, "yes" if rule.read_only else "–", ", ".join(calls) or "none yet"]


def user_types() -> str:
    """The same by user type: what each may do in general."""
    rows = []
    for resource, actions in OWN_RESOURCES.items():
        cells = [_actions(actions, user_type) for user_type in UserType]
        rows.append([code(resource), *cells])
    return table(["resource", *map(code, UserType)], rows)


def _actions(actions: dict[str, ScopeRule], user_type: UserType) -> str:
    said = []
    for action, rule in actions.items():
        if user_type.rank >= rule.minimum.rank:
            said.append(action)
        elif user_type.rank >= rule.person.rank:
            said.append(f"{action} own")
    return ", ".join(said) or "–"
