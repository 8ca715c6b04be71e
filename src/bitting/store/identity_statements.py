"""The statements that read all that a decision about a key hangs on; see `identities` for what comes out.

SQLite has a text for each key, two lines of JSON: one of what is the key's own, and one of what many keys have in
common, which needs no reading where it is known. It writes that, and msgspec reads it, quicker than the driver makes
objects of so many columns and describes each. Each table is asked by itself, for the one row that has a unique key, so
there is nothing to plan: joins SQLite plans by what it was told of the tables when they were last analysed (ANALYZE),
and would walk a whole table that had a single row then. PostgreSQL has a row of columns.
"""

from __future__ import annotations

from functools import cache


@cache
def by_digests(dialect: str, digests: int) -> str:
    """The statement for the keys of so many secrets, by their digests.

    Its rows are PostgreSQL's columns, see `found_in_columns`; of SQLite the text, null where the secret leads to no
    key, and where there are several the digest, see `found_in_lines`.
    """
    places = ", ".join("?" * digests)
    if dialect != "sqlite":
        return by_digests_that(f"IN ({places.replace('?', '%s')})")
    digest, are = ("", "= ?") if digests == 1 else (", s.digest", f"IN ({places})")
    key = "FROM keys AS k WHERE k.number = s.key_number AND k.workspace_id = s.workspace_id"
    text = f"SELECT {_text('s.scheme, s.expires_at')} {key}"
    return f"SELECT ({text}){digest} FROM key_secrets AS s WHERE s.digest {are}"  # noqa: S608


def by_digests_that(are: str) -> str:
    """PostgreSQL's; what `s.digest` has to be, in SQL."""
    key = "key_secrets AS s JOIN keys AS k ON k.number = s.key_number AND k.workspace_id = s.workspace_id"
    return _columns("s.digest, s.scheme, s.expires_at", key, f"s.digest {are}")


@cache
def by_id(dialect: str) -> str:
    """The statement for a key, by its workspace and its id; what belongs to a secret is null."""
    if dialect == "sqlite":
        return f"SELECT {_text('NULL, NULL')} FROM keys AS k WHERE k.workspace_id = ? AND k.id = ?"  # noqa: S608
    return _columns("NULL, NULL, NULL", "keys AS k", "k.workspace_id = %s AND k.id = %s")


# --- SQLite --------------------------------------------------------------------------------------

_OWNER = "FROM users AS u WHERE u.id = k.owner_id AND u.workspace_id = k.workspace_id"


def _text(secret: str) -> str:
    # Of ancestors and declared resources there are several, so those SQLite does plan: each has its index named. Not an
    # inner join, so that it doesn't walk all keys in search of those that are listed; nor for a Bloom filter of them,
    # as it may where a condition of the join leaves few.
    return f"""
json_array({secret}, k.id, k.name, k.metadata, k.created_at, k.expires_at, k.revoked_at, k.lineage,
    CASE WHEN k.lineage <> '[]' THEN (
        SELECT json_group_array(json_array(a.id, json(a.rate_limits), json(a.quota)))
            FILTER (WHERE a.workspace_id = k.workspace_id AND (a.rate_limits <> '[]' OR a.quota IS NOT NULL))
        FROM json_each(k.lineage) AS l CROSS JOIN keys AS a INDEXED BY sqlite_autoindex_keys_1 ON a.id = l.value
    ) END,
    k.owner_id,
    CASE WHEN k.owner_id IS NOT NULL THEN (SELECT json_array(u.id, u.email, u.name, u.rate_limits) {_OWNER}) END
) || char(10) || json_array(
    k.workspace_id, (SELECT w.plan FROM workspaces AS w WHERE w.id = k.workspace_id),
    (
        SELECT json_group_object(d.name, json(d.actions))
        FROM declared_resources AS d INDEXED BY sqlite_autoindex_declared_resources_1
        WHERE d.workspace_id = k.workspace_id
    ),
    k.user_type, k.role_id, k.access, k.scopes, k.environment, k.allowed_ips, k.rate_limits, k.quota, k.enabled,
    k.revoked_at IS NOT NULL, k.owner_id IS NOT NULL,
    {_role_of("k")},
    CASE WHEN k.owner_id IS NOT NULL THEN (
        SELECT json_array(u.user_type, u.role_id, u.enabled, {_role_of("u")}) {_OWNER}
    ) END
)"""  # noqa: S608


def _role_of(whose: str) -> str:
    row = f"FROM roles AS r WHERE r.workspace_id = {whose}.workspace_id AND r.id = {whose}.role_id"
    return f"CASE WHEN {whose}.role_id IS NOT NULL THEN (SELECT json_array(r.name, r.grants) {row}) END"


# --- PostgreSQL ----------------------------------------------------------------------------------


def _columns(secret: str, key: str, where: str) -> str:
    return f"""
SELECT {secret}, k.id, k.name, k.metadata::text, k.created_at, k.expires_at, k.revoked_at, k.lineage::text,
    CASE WHEN k.lineage::text <> '[]' THEN (
        SELECT json_agg(json_build_array(a.id, a.rate_limits, a.quota))::text
        FROM json_array_elements_text(k.lineage) AS l(id)
        JOIN keys AS a ON a.id = l.id AND a.workspace_id = k.workspace_id
        WHERE (a.rate_limits::text <> '[]' OR a.quota IS NOT NULL)
    ) END,
    k.owner_id, u.id, u.email, u.name, u.rate_limits::text,
    w.id, w.plan,
    (SELECT json_object_agg(d.name, d.actions)::text FROM declared_resources AS d WHERE d.workspace_id = w.id),
    k.user_type, k.role_id, k.access, k.scopes::text, k.environment, k.allowed_ips::text, k.rate_limits::text,
    k.quota::text, k.enabled, k.revoked_at IS NOT NULL, k.owner_id IS NOT NULL,
    kr.name, kr.grants::text, u.user_type, u.role_id, u.enabled, ur.name, ur.grants::text
FROM {key}
JOIN workspaces AS w ON w.id = k.workspace_id
LEFT JOIN users AS u ON u.id = k.owner_id AND u.workspace_id = k.workspace_id
LEFT JOIN roles AS kr ON kr.workspace_id = k.workspace_id AND kr.id = k.role_id
LEFT JOIN roles AS ur ON ur.workspace_id = k.workspace_id AND ur.id = u.role_id
WHERE {where}
"""  # noqa: S608
