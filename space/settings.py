"""The variables that the app and the commands read, as data: what docs/reference.md lists."""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """A variable of the environment: its name, what it is for, and what holds without it."""

    name: str
    meaning: str
    default: str


SETTINGS = (
    Setting("HOST", "where the app listens", "127.0.0.1; on a Hugging Face Space every interface"),
    Setting("PORT", "the app's port", "7860"),
    Setting("MAPS_DATA", "the folder of atlases, studies, judgments and the pseudonyms' key", "`data/`"),
    Setting(
        "MAPS_ATLASES",
        "the atlases that are shown, folders and datasets on the Hub (`user/name`), separated by commas; a dataset "
        "that cannot be read is left out and named on the first page",
        "the prebuilt one and those in the data folder",
    ),
    Setting("MAPS_JUDGMENTS", "the ledger, a private dataset on the Hub (`user/name`); needs `HF_TOKEN`", "none"),
    Setting(
        "HF_TOKEN", "the token for the Hub: ledger, gated models, deployments", "commands: that of `hf auth login`"
    ),
    Setting("HF_ENDPOINT", "another Hub than Hugging Face's", "Hugging Face's"),
    Setting("MAPS_PSEUDONYM_KEY", "the key of the pseudonyms", "one is made and kept in the data folder"),
    Setting("MAPS_ORGANISERS", "on a Space, the user names of the organisers, separated by commas", "nobody"),
    Setting("GRADIO_MCP_SERVER", "`true`: the endpoints are tools over MCP too; needs the package `mcp`", "off"),
    Setting("SPACE_ID", "the Space's name; Hugging Face sets it there", "the app is not on a Space"),
    Setting("SPACE_HOST", "the Space's own address; Hugging Face sets it there", "none"),
    Setting("OAUTH_CLIENT_ID", "the Space's login; Hugging Face sets it where the card asks for one", "no login"),
    Setting("SPACES_ZERO_GPU", "the Space is on ZeroGPU; Hugging Face sets it there", "it is not"),
    Setting("MAPS_SPACE_TOKEN", "the token that `space deploy` gives the Space", "the token that deploys"),
    Setting("OPENAI_API_KEY", "the key for `describe` and `score`", "only offline and own servers without keys"),
    Setting("OPENAI_BASE_URL", "the server for both, where `--base-url` names none", "OpenAI's"),
    Setting("OPENAI_ORG_ID", "the organization that OpenAI bills, where a key has several", "the key's own"),
    Setting("OPENAI_PROJECT_ID", "the project that it bills", "the key's own"),
)
