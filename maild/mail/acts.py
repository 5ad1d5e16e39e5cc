"""What people do that the audit log keeps: a closed list of words, the same in the database and on pages."""

from __future__ import annotations

from enum import StrEnum


class Act(StrEnum):
    """One kind of act. What it was done to, and with which values, stands beside it in the log."""

    # with letters and conversations
    READ = "read"
    SEARCHED = "searched"
    EXPORTED = "exported"
    ANSWERED = "answered"
    NOTED = "noted"
    STATE = "state"
    ASSIGNED = "assigned"
    TAGGED = "tagged"
    PRIORITY = "priority"
    HANDED_OVER = "handed-over"
    HANDED_BACK = "handed-back"
    MERGED = "merged"
    SPLIT = "split"
    UNDONE = "undone"
    FOLDER = "folder"
    CONFIDENTIAL = "confidential"
    RELEASED = "released"
    DELIVERY = "delivery"
    TAKEN_OVER = "taken-over"
    IMPORTED = "imported"

    # with people and their rights
    ACCOUNT = "account"
    DISABLED = "disabled"
    GRANTED = "granted"
    REVOKED = "revoked"
    ABSENT = "absent"
    RETURNED = "returned"
    LEFT = "left"

    # with the way in
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    CREDENTIAL = "credential"
    REFUSED = "refused"

    # with what serves everybody
    RULES = "rules"
    HANDBOOK = "handbook"
    TEMPLATE = "template"
    AUDITED = "audited"
    MAINTAINED = "maintained"
