"""The environment variables that the app and the commands read, as data for docs/reference.md."""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """An environment variable: its name, its meaning, and the default."""

    name: str
    meaning: str
    default: str


SETTINGS = (
    Setting("HOST", "the address of the app's server", "127.0.0.1; on a Hugging Face Space all interfaces"),
    Setting("PORT", "the app's port", "7860"),
    Setting("MAPS_DATA", "the folder for atlases, studies, judgments and the pseudonym key", "`data/`"),
    Setting(
        "MAPS_ATLASES",
        "the atlases to show: folders and Hub datasets (`user/name`), separated by commas; a dataset that cannot be "
        "read is left out and named on the home page",
        "the prebuilt atlas and those in the data folder",
    ),
    Setting("MAPS_JUDGMENTS", "the ledger: a private Hub dataset (`user/name`); needs `HF_TOKEN`", "none"),
    Setting("HF_TOKEN", "the Hub token, for ledger, gated models and deployments", "commands: that of `hf auth login`"),
    Setting("HF_ENDPOINT", "the address of the Hub", "Hugging Face's"),
    Setting("MAPS_PSEUDONYM_KEY", "the pseudonym key", "a key that is made once and kept in the data folder"),
    Setting("MAPS_ORGANISERS", "the user names of a Space's organisers, separated by commas", "nobody"),
    Setting(
        "MAPS_LOAD_AT_START",
        "`false`: the weights that answer visitors' questions are loaded at the first question, not at the start",
        "at the start; they take 1.6 GB until ten minutes pass without a question",
    ),
    Setting("GRADIO_MCP_SERVER", "`true`: the endpoints are MCP tools too; needs the package `mcp`", "off"),
    Setting("SPACE_ID", "the Space's name; set by Hugging Face", "the app is not on a Space"),
    Setting("SPACE_HOST", "the Space's own address; set by Hugging Face", "none"),
    Setting("OAUTH_CLIENT_ID", "the Space's login; set by Hugging Face if the card asks for one", "no login"),
    Setting("SPACES_ZERO_GPU", "whether the Space is on ZeroGPU; set by Hugging Face", "no"),
    Setting("MAPS_SPACE_TOKEN", "the token that `space deploy` gives to the Space", "the token that deploys"),
    Setting("OPENAI_API_KEY", "the API key for `describe` and `score`", "only offline and servers without keys"),
    Setting("OPENAI_BASE_URL", "the server for both, without `--base-url`", "OpenAI's"),
    Setting("OPENAI_ORG_ID", "the organization that OpenAI bills, if the key has several", "the key's default"),
    Setting("OPENAI_PROJECT_ID", "the project that OpenAI bills, if the key has several", "the key's default"),
)
