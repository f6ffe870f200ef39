"""Who may call which function of the app. Each handler itself finds out who asks; this table is what they must hold to.

`tests/space/test_permissions.py` calls every function of the running app in every role; `docs/security.md` shows the
table.
"""

from __future__ import annotations

from enum import Enum


class Audience(Enum):
    """Whom a function serves. To everybody else it says only that they may not, or how to get in."""

    ANYONE = "anyone"
    ANNOTATORS = "annotators"
    ORGANISERS = "organisers"


ANYONE, ANNOTATORS, ORGANISERS = Audience.ANYONE, Audience.ANNOTATORS, Audience.ORGANISERS
FUNCTIONS: dict[str, tuple[Audience, str]] = {  # by the name of the endpoint
    "show_address": (ANYONE, "a page of the explorer; single answers to a head only once they are open"),
    "draw_figures": (ANYONE, "the figures of a page"),
    **dict.fromkeys(
        ("models", "model", "heads", "compare", "describers", "search", "head", "relation", "pairs"),
        (ANYONE, "for programs: what the explorer's pages show"),
    ),
    **dict.fromkeys(("ask", "score_pairs"), (ANYONE, "for programs: questions to the weights, as on /try")),
    "agreement": (ANYONE, "for programs: the agreement in a study whose answers are open"),
    **dict.fromkeys(("load_sections", "load_figures"), (ANYONE, "/agreement, of studies whose answers are open")),
    "write_file": (ANYONE, "the downloads of /agreement: what the person who asks may see"),
    "load_annotate_page": (ANYONE, "/annotate, to each their own"),
    "open_ask_page": (ANYONE, "/ask: one head, as on its own page"),
    "ask_model": (ANYONE, "/ask: asks OpenAI or the Hub's router about a head, at the visitor's own cost"),
    "sign_in": (ANYONE, "a new name, or the login of a Space"),
    "sign_out": (ANYONE, "ends the session whose token is sent"),
    "decline": (ANYONE, "ends the session of somebody from a panel who does not agree"),
    "restore_copies": (ANYONE, "copies of a person's own answers, and of withdrawals, which this server sealed"),
    "lambda": (ANYONE, "shows or hides a button; takes nothing from the browser"),
    "skip": (ANNOTATORS, "gives back their item"),
    "go_back": (ANNOTATORS, "their own earlier answers"),
    "keep_reserved": (ANNOTATORS, "renews their reservation"),
    "download_own_answers": (ANNOTATORS, "their own answers as a file"),
    "withdraw_own_answers": (ANNOTATORS, "withdraws themselves"),
    "show_counted": (ORGANISERS, "/organise: what is counted from very many answers"),
    "opened_for_organisers": (ORGANISERS, "/organise: studies, disagreements, the state of the ledger"),
    **dict.fromkeys(("rows_csv", "rows_parquet", "rows_datasets"), (ORGANISERS, "all judgments of a study")),
    **dict.fromkeys(("ask_to_open_answers", "open_answers"), (ORGANISERS, "shows answers before the end")),
    **dict.fromkeys(("ask_to_close_study", "close_study"), (ORGANISERS, "ends a study")),
    **dict.fromkeys(("pause_study", "resume_study"), (ORGANISERS, "stops a study for a while")),
    "extend_study": (ORGANISERS, "moves a study's deadline"),
    **dict.fromkeys(("ask_to_delete_study", "delete_study"), (ORGANISERS, "deletes a study that nobody has begun")),
    **dict.fromkeys(("preview_study", "create_study"), (ORGANISERS, "a new study")),
    "invite_people": (ORGANISERS, "links for people who are invited to a study"),
    **dict.fromkeys(
        ("show_payments", "ask_to_withdraw_returned", "withdraw_returned"),
        (ORGANISERS, "what people of a panel did, by the ids that are sent"),
    ),
    **dict.fromkeys(("ask_to_withdraw", "withdraw"), (ORGANISERS, "withdraws an annotator")),
    "open_models_page": (ANYONE, "/models: the list of models; its jobs for organisers only"),
    **dict.fromkeys(("refresh_jobs", "change_job"), (ORGANISERS, "/models: the jobs of the app")),
    "admit_upload": (ORGANISERS, "/models: lets the browser upload a model's file"),
    **dict.fromkeys(
        ("check_model", "map_model", "check_hub_machine", "map_on_hub"), (ORGANISERS, "/models: maps a model")
    ),
    **dict.fromkeys(
        ("show_question", "try_describer", "describe_all", "show_answers"), (ORGANISERS, "/models: describes heads")
    ),
    **dict.fromkeys(("ask_about_head", "save_by_hand"), (ORGANISERS, "/models: describes one head")),
    **dict.fromkeys(
        ("measure_evidence", "compare_describers", "show_first"), (ORGANISERS, "/models: evidence for descriptions")
    ),
    "store_file": (ORGANISERS, "/models: stores descriptions from a file"),
    "upload_atlas": (ORGANISERS, "/models: uploads an atlas to the Hub"),
    "sign_out_organiser": (ORGANISERS, "ends their session"),
    **dict.fromkeys(("preview_release", "download_labels"), (ORGANISERS, "what a release would contain")),
    **dict.fromkeys(("preregister", "make_datasheet"), (ORGANISERS, "documents about a study for its reviewers")),
    **dict.fromkeys(("publish_study", "make_release_public"), (ORGANISERS, "publishes a study on the Hub")),
    "decide": (ORGANISERS, "decides on a disagreement"),
}
