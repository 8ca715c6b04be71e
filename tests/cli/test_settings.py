"""`bitting settings`: values and sources, and never a secret."""

from tests.support.commands import Cli

SECRETS = {
    "BITTING_SECRET": "s3cret-s3cret-s3cret-s3cret-s3cret",
    "BITTING_PEPPERS__ONE": "pepper-pepper-pepper-pepper-pepper",
    "BITTING_DATABASE_URL": "postgresql://bo:pa55-word@db.example/bitting?sslpassword=tr1cky&sslmode=require",
}


def test_no_secret_is_shown(cli: Cli) -> None:
    """Neither in the table nor in the JSON; the database's URL keeps all but its password."""
    for said in (cli("settings", env=SECRETS), cli("settings", "--json", env=SECRETS)):
        for secret in ("s3cret", "pepper-pepper", "pa55-word", "tr1cky"):
            assert secret not in said.out + said.err
        assert "********" in said.out
        assert "db.example/bitting" in said.out


def test_each_setting_says_where_it_comes_from(cli: Cli) -> None:
    """The environment goes before the file, the file before the default."""
    cli.write("bitting.toml", 'port = 9000\nhost = "0.0.0.0"\n')
    shown = cli("settings", "--json", BITTING_PORT="9001", BITTING_PLANS__EXTRA="true").json
    assert shown["port"] == {"value": 9001, "source": "environment (BITTING_PORT)"}
    assert shown["host"] == {"value": "0.0.0.0", "source": "bitting.toml"}
    assert shown["workers"] == {"value": 1, "source": "default"}
    assert shown["plans"]["source"].startswith("environment")
