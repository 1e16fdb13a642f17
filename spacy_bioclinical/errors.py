"""Every message this project raises, in one place: a code, what happened, where, why, and what to type next.

Messages never quote note text: they give ids, lines, offsets, labels and counts. Codes are stable; tests
match on them. Use as ``raise ValueError(Errors.BC101.format(...))``.
"""


class _WithCode(type):
    """Put the code in front of each message, so that ``Errors.BC101`` reads "[BC101] …"."""

    def __getattribute__(cls, name: str) -> str:
        value = super().__getattribute__(name)
        if name.startswith("BC") and isinstance(value, str):
            return f"[{name}] {value}"
        return value


class Errors(metaclass=_WithCode):
    """Coded messages. Sections: 1xx encoder, 2xx pieces, 3xx transformer, 4xx heads, 5xx cli, 6xx corpora, 7xx pretraining."""

    # --- BC1xx encoder -------------------------------------------------------------------------------------
    BC101 = (
        "Lengths do not describe the packed row: {n} lengths (the least is {least}) sum to {total}, the row has "
        "{given} pieces. Give one non-negative length for each window, in the order of the row."
    )
    BC102 = "There is no {what} '{given}'. Known: {known}. Set it in the config under [components.transformer.model]."
    BC103 = (
        "The encoder's config.json asks for {key} = {value}, which cannot be computed here (wanted: {want}). "
        "Check that the folder is the encoder you mean and that its config.json is complete."
    )
    BC104 = (
        "Cannot find the encoder '{source}': {why}. Give a local folder with config.json, model.safetensors and the "
        "tokenizer's files (for the project: --vars.encoder FOLDER), or download the hub name once on a machine with "
        "network access and copy the folder here."
    )
    BC105 = "Cannot read {file}: {why}. The file is damaged or was not written completely; copy or download it again."
    BC106 = (
        "The encoder folder {folder} has no model.safetensors. Weights are read from safetensors only, never from "
        "pickled files (pytorch_model.bin). Convert once where you trust the file: python -c \"from transformers "
        "import AutoModel; AutoModel.from_pretrained('FOLDER').save_pretrained('NEW_FOLDER', "
        "safe_serialization=True)\" and copy the tokenizer's files beside it."
    )
    BC107 = (
        "The weights of {source} do not fit its config. Missing: {missing}. Unexpected: {unexpected}. Wrong shape: "
        "{shapes}. Check that config.json and model.safetensors belong together."
    )

    # --- BC2xx pieces --------------------------------------------------------------------------------------

    # --- BC3xx models and pipeline: transformer --------------------------------------------------------------

    # --- BC4xx heads, evaluation -----------------------------------------------------------------------------

    # --- BC5xx command line, configs, project ------------------------------------------------------------------

    # --- BC6xx corpora -----------------------------------------------------------------------------------------

    # --- BC7xx pretraining -------------------------------------------------------------------------------------
