"""The room's face: logging in and out, one's own sessions and password, and links."""

from bitting.sessions.devices import device_cookie
from bitting.sessions.entering import choose, find_session, log_in, log_out
from bitting.sessions.links import (
    MailNotSent,
    TooManyMails,
    ask_reset,
    link_url,
    look_at_link,
    make_link,
    redeem_link,
    send_link,
)
from bitting.sessions.models import Begun, Choice, LinkPurpose, LinkView, Session, Turned
from bitting.sessions.own import (
    change_name,
    change_password,
    end_session,
    list_sessions,
    log_out_everywhere,
    prove_password,
    set_language,
)

__all__ = [
    "Begun",
    "Choice",
    "LinkPurpose",
    "LinkView",
    "MailNotSent",
    "Session",
    "TooManyMails",
    "Turned",
    "ask_reset",
    "change_name",
    "change_password",
    "choose",
    "device_cookie",
    "end_session",
    "find_session",
    "link_url",
    "list_sessions",
    "log_in",
    "log_out",
    "log_out_everywhere",
    "look_at_link",
    "make_link",
    "prove_password",
    "redeem_link",
    "send_link",
    "set_language",
]
