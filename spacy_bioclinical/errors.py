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
        "Cannot find the encoder '{source}': {why}. {hint}Give a local folder with config.json, model.safetensors and "
        "the tokenizer's files (for the project: --vars.encoder FOLDER), or a name that `python -m spacy bioclinical "
        "encoders` lists. Without a network here, type on a machine that has one: {download} (in newer versions: hf "
        "download), and copy the folder here."
    )
    BC105 = "Cannot read {file}: {why}. The file is damaged or was not written completely; copy or download it again."
    BC106 = (
        "The encoder folder {folder} has no model.safetensors. Weights are read from safetensors only, never from "
        "pickled files (pytorch_model.bin). Convert such a file once, without running code that it may hold: "
        "python -m spacy bioclinical convert-weights {folder}"
    )
    BC107 = (
        "The weights of {source} do not fit its config. Missing: {missing}. Unexpected: {unexpected}. Wrong shape: "
        "{shapes}. Check that config.json and model.safetensors belong together."
    )
    BC108 = (
        "The attention kernel '{kernel}' cannot be used on {device}: {why}. Set kernel = \"auto\" under "
        "[components.transformer.model]; `python -m spacy bioclinical info` says what this machine can use."
    )

    BC120 = (
        "A window of {longest} pieces was given to an encoder that has {context} positions. Cut the document into windows "
        "of at most {context} pieces, special pieces included; the component bioclinical_transformer does so by itself."
    )

    # BC150 … BC169: names of encoders, conversion of pickled weights, advice on an encoder's use
    BC150 = (
        "'{name}' was published as a tarball only, on no hub ({source}). Get it from there, convert its weights (python "
        "-m spacy bioclinical convert-weights FOLDER) and give the folder."
    )
    BC151 = (
        "The hub has no model.safetensors for {hub}, as many older encoders; pickled weights are not read. Fetch them "
        "and convert them once, without running code that they may hold: {download} && python -m spacy bioclinical "
        "convert-weights {folder} ; then name {folder} as the encoder. (If the hub does have model.safetensors, the "
        "cache is incomplete: run once with a network, without HF_HUB_OFFLINE.)"
    )
    BC152 = (
        "'{given}' is a name, not a local folder: weights are converted in a folder. Fetch them first: {download} && "
        "python -m spacy bioclinical convert-weights {folder}"
    )
    BC153 = (
        "The folder {folder} has no pickled weights to convert (looked for pytorch_model.bin and "
        "pytorch_model.bin.index.json). Give the folder that holds them."
    )
    BC154 = (
        "The folder {folder} has {file} already. Nothing was converted. To write it anew from the pickled weights, add "
        "--force."
    )
    BC155 = (
        "{file} was refused: {why}. Only tensors are read from pickled weights, code in them is never run. Get the file "
        "from its publisher again and compare its checksum, or look for a copy in safetensors."
    )
    BC156 = (
        "{file} holds no plain table of tensors: '{key}' is {kind}. Checkpoints of a training run must be exported as "
        "an encoder first (transformers: save_pretrained)."
    )
    BC157 = (
        "The encoder is a BERT with {context} learned positions, of which only the first {trained} were ever trained "
        "(Clinical ModernBERT): longer windows read untrained positions. Set context = {advised} under "
        "[components.transformer.model], for example: --components.transformer.model.context 512 "
        "--components.transformer.model.overlap 64"
    )
    BC158 = (
        "There is no encoder '{name}' in the catalogue. {hint}`python -m spacy bioclinical encoders` lists them. An "
        "encoder need not be listed to be used: give its hub name or its folder."
    )

    # --- BC2xx pieces --------------------------------------------------------------------------------------
    BC201 = (
        "No tokenizer folder at '{name}': the path does not exist. Relative paths count from the folder "
        "you run the command in. Check it with: ls {name}"
    )
    BC202 = (
        "Folder '{name}' holds no tokenizer files (looked for {looked_for}). An encoder folder needs them "
        "beside config.json and model.safetensors: copy them there from the encoder you started from."
    )
    BC203 = (
        "No folder '{name}' here, and no tokenizer of that name could be had from the hub ({reason}). "
        "Without network, download the encoder folder elsewhere, copy it here and give its path. (In Python, a "
        "name of the catalogue becomes a folder by spacy_bioclinical.encoder.source.resolve_folder.)"
    )
    BC204 = (
        "The tokenizer of '{name}' ({kind}) has no fast version with character offsets, and it cannot be "
        "converted to one. Use an encoder whose folder has a tokenizer.json."
    )
    BC205 = (
        "The tokenizer files of '{name}' could not be loaded ({reason}). Files cut short, or a tokenizer "
        "that needs code of its own (never run here), are the usual causes. Check that tokenizer.json is "
        "whole and that tokenizer_config.json names a class transformers has."
    )
    BC206 = (
        "These {length} bytes are not a saved tokenizer ({reason}). The pipeline on disk is damaged or "
        "was written by another version of spacy-bioclinical. Package or train it again."
    )
    BC207 = (
        "The vocabulary of '{name}' is a SentencePiece file ({file}) without a tokenizer.json; making a fast tokenizer "
        "of it needs two packages: python -m pip install sentencepiece protobuf. Or copy a tokenizer.json into the folder."
    )
    BC208 = (
        "The tokenizer of '{name}' lower-cases, but {share:.0%} of its vocabulary has capitals, which could never be "
        "used: the vocabulary is cased, as with Bio_ClinicalBERT. Lower-casing is switched off. For the published "
        'behaviour set casing = "published" in [initialize.components.transformer.encoder_loader].'
    )
    BC209 = "There is no casing '{given}'. Known: auto (keep the case of a cased vocabulary), published (as the files say)."
    BC210 = (
        "Windows of {capacity} pieces with an overlap of {overlap} are impossible: capacity must be at "
        "least 1 and overlap at least 0 and below capacity. Lower `overlap` or raise `context` in "
        "[components.transformer.model]."
    )
    BC211 = (
        "Got {n_values} {what} for {n_expected} {per}: both must describe the same document, in the same "
        "order."
    )
    BC212 = (
        "Piece {index} of {n_pieces} lies in none of the {n_windows} windows. Plan them with "
        "plan_windows() for the same number of pieces."
    )

    # --- BC3xx models and pipeline: transformer --------------------------------------------------------------
    BC301 = (
        "The transformer has no encoder yet. Name one in the config under [initialize.components.transformer."
        'encoder_loader]: @misc = "spacy-bioclinical.EncoderFolder.v1" and name = FOLDER_OR_HUB_NAME, then call '
        "nlp.initialize() or `spacy train`; or load a trained pipeline with spacy.load()."
    )
    BC302 = (
        "A context of {given} pieces is out of range: this encoder takes {least} to {most} pieces, special pieces "
        "included. Change `context` under [components.transformer.model], or leave it at null for the encoder's own."
    )
    BC303 = (
        "The tokenizer has ids up to {tokenizer}, the encoder only {encoder} embeddings. Tokenizer and weights do not "
        "belong together; copy both from the same folder."
    )
    BC304 = (
        'The device \'{given}\' is not there. Use device = "cpu", or "auto" to take a GPU where there is one; '
        'check `python -c "import torch; print(torch.cuda.device_count())"`.'
    )
    BC305 = (
        "An overlap of {given} pieces does not fit windows of {capacity} pieces of text. Lower `overlap` under "
        "[components.transformer.model]; a quarter of the context is plenty."
    )
    BC306 = (
        "The hidden states of this document were freed after the last component had read them. To keep them in "
        'nlp.pipe, load with config={"components.transformer.keep_hidden": True}, or call nlp(text) for one document.'
    )
    BC307 = (
        "Document {index} of the batch (id {id}) has {n_pieces} pieces, the window holds {capacity}. Set on_overflow = "
        '"window" under [components.transformer.model] to read it in several windows, or split the document.'
    )
    BC309 = (
        "Replaced {n} lone surrogates by U+FFFD in a text of {length} characters: they are no valid Unicode. Offsets "
        "are unchanged. Export the text as UTF-8 to keep the characters."
    )
    BC308 = (
        "max_batch_pieces must be at least 1, not {given}. It is the budget of pieces for one forward pass."
    )
    BC310 = (
        "A single window of {length} pieces does not fit in memory ({device}). Set a smaller `context` under "
        '[components.transformer.model], for example {half}, or precision = "bf16"; or use a device with more memory.'
    )
    BC311 = (
        "Memory ran out in a training step of {n_windows} windows, {n_pieces} pieces, the longest {longest} ({device}). "
        "All of them are kept until the backward pass. Lower `size` under [training.batcher] (and raise "
        "accumulate_gradient to keep the effective batch), set a smaller `context` under [components.transformer.model], "
        "or leave documents of many windows out of training."
    )
    BC312 = (
        "Memory ran out in a forward pass of {n_windows} windows, {n_pieces} pieces ({device}): from now on this process "
        "encodes at most {budget} pieces at once. Set max_batch_pieces = {budget} under [components.transformer] to start "
        "there; results are the same."
    )

    # --- BC4xx heads, evaluation -----------------------------------------------------------------------------
    BC401 = (
        "Component '{name}' has no entity types: none were given, and the examples hold no entities. Most likely "
        "[paths.train] is another corpus than you think: see the counts in the .report.json beside the .spacy file."
    )
    BC402 = "Component '{name}': an entity type must be a string that is not empty, got one of type {type}."
    BC403 = (
        "Component '{name}' met the entity type '{label}' in a gold document, but was initialized with these only: "
        "{labels}. Write the labels of the whole corpus with: python -m spacy init labels CONFIG FOLDER"
    )
    BC404 = (
        "Component '{name}' cannot align a gold document ({n_gold} tokens) with its prediction ({n_predicted} tokens): "
        "their texts differ in more than white space and case. Make both from the same text: convert the corpus again."
    )
    BC405 = (
        "Component '{name}' computed a loss of {loss}: its model has diverged. Lower "
        "[training.optimizer.learn_rate], add warm-up steps, or set the encoder's precision to fp32."
    )
    BC406 = (
        "Component '{name}' cannot take the new entity type '{label}': its model has {nO} outputs already and cannot "
        "grow. Use the architecture spacy-bioclinical.BioTagger.v1, or initialize and train again."
    )
    BC407 = (
        "The extension attribute span._.confidence is registered already, with a getter or a method, so "
        "'bioclinical_ner' could not write into it. Give your own attribute another name."
    )
    BC408 = "Evaluating entities needs seqeval, which is not installed. Type: pip install 'spacy-bioclinical[project]'"
    BC409 = (
        "'{path}' holds no documents with tokens. Convert the corpus again, and read the report beside the file: "
        "python -m corpus_scripts.convert --help"
    )
    BC410 = (
        "Document {index} (counted from 0 among those with entity annotation) has {n_gold} characters in gold and "
        "{n_predicted} in the prediction, or other ones: the pipeline's tokenizer changes the text. Entities cannot be "
        "compared; use a tokenizer that keeps it."
    )
    BC411 = (
        "Nothing to score in '{path}': the pipeline ({components}) and the annotation of the documents have neither "
        "entities nor classes in common. Evaluate on a corpus of the pipeline's own task."
    )

    # BC412 … BC419: prediction files and what is computed from them
    BC412 = (
        "'{path}' is no prediction file of this version ({why}). Write one with: python -m spacy bioclinical evaluate "
        "MODEL FILE.spacy --predictions metrics/NAME.predictions.jsonl.gz"
    )
    BC413 = (
        "Line {line} of the prediction file '{path}' is damaged or incomplete ({why}). Write the file again with: "
        "python -m spacy bioclinical evaluate MODEL FILE.spacy --predictions {path}"
    )
    BC414 = (
        "The two prediction files do not hold the same documents ({n_first} and {n_second}; the id '{id}' is not in both, or "
        "not as often). A paired comparison needs both pipelines evaluated on the same file, whole."
    )
    BC415 = (
        "The two prediction files disagree on what is true in document '{id}': {what}. Evaluate both pipelines on the same "
        "version of the corpus, with the same --only-seen-pieces if any."
    )
    BC416 = (
        "The two prediction files have no score in common: one holds entities and the other classes, or their components "
        "have other names. Compare pipelines of the same task."
    )

    # BC420 … BC427: the span head
    BC420 = (
        "Component '{name}' has no span labels: none were given, and the examples hold no spans under the key '{key}'. "
        "Set spans_key under [components.{name}] to the key of your corpus (this project's converters write 'gold'), or "
        "look at the corpus with `python -m spacy bioclinical debug-corpus`."
    )
    BC421 = "Component '{name}': a span label must be a string that is not empty, got one of type {type}."
    BC422 = (
        "Component '{name}' met the span label '{label}' in a gold document, but was initialized with these only: "
        "{labels}. Write the labels of the whole corpus with: python -m spacy init labels CONFIG FOLDER"
    )
    BC423 = (
        "Component '{name}' cannot align the gold spans of a document ({n_gold} tokens) with its prediction "
        "({n_predicted} tokens): their texts differ in more than white space and case. Make both from the same text: "
        "convert the corpus again."
    )
    BC424 = (
        "Component '{name}' computed a loss of {loss}: its model has diverged. Lower "
        "[training.optimizer.learn_rate], add warm-up steps, or set the encoder's precision to fp32."
    )
    BC425 = "[components] of a span head: {what} is {value}, but must be {want}. Correct it in the config."
    BC426 = (
        "Component '{name}' cannot take the new span label '{label}': its model has {nO} labels already and cannot "
        "grow. Use the architecture spacy-bioclinical.SpanScorer.v1, or initialize and train again."
    )
    BC427 = (
        "The class weights of component '{name}' name labels that it does not have: {unknown}. It has: {labels}. "
        "Correct class_weights under [components.{name}]."
    )

    # BC428 … BC433: bioclinical_ner
    BC428 = (
        "Component '{name}': {setting} is set, but its model is a CRF, whose loss is that of whole tag sequences, not of "
        "single tokens. Take {setting} out of the config, or use the architecture spacy-bioclinical.BioTagger.v1."
    )
    BC429 = (
        'Component \'{name}\': class_weights cannot be used: {why}. Give "balanced", "inverse_sqrt", or numbers by entity '
        'type or tag, such as {{"NAME": 2.0, "O": 0.5}}.'
    )
    BC430 = (
        "Component '{name}': label_smoothing is {value}, but must be a share from 0 up to, not including, 1."
    )
    BC431 = (
        "Component '{name}': the stored temperature is {value}, but must be a number above 0. Calibrate the pipeline "
        "again, or set nlp.get_pipe('{name}').cfg[\"temperature\"] = 1.0 for the model's own probabilities."
    )
    BC432 = (
        "Component '{name}': the stored recall_target holds no threshold above 0 and at most 1. Calibrate the pipeline "
        "again, or set nlp.get_pipe('{name}').cfg[\"recall_target\"] = None for the most probable entities only."
    )

    # BC442 … BC449: training
    BC442 = (
        "The gradient of step {step} is not finite (norm {norm}), so its weights would be lost. Train with a smaller "
        'learn rate, or with precision = "fp32" under [components.transformer.model].'
    )
    BC443 = (
        "[training.optimizer.learn_rate]: spacy-bioclinical.linear_decay.v1 does not know how many steps there will be. "
        "Train with `python -m spacy bioclinical train CONFIG --output FOLDER`, which counts them from max_epochs or takes "
        "max_steps; or set total_steps."
    )
    BC444 = "[training]: {what} is {given}, but must be {want}. Correct it in the config."
    BC445 = (
        "[components.transformer.model]: {what} is {given}, but this encoder ({encoder}) has {has}. {advice}"
    )
    BC446 = (
        "'{path}' is the checkpoint of another training: {what}. Its weights would not be those of this config and "
        "corpus. Train into another folder, or add --restart to throw the checkpoint away."
    )
    BC447 = "Cannot continue from '{path}': {why}. Add --restart to throw the checkpoint away and begin anew."
    BC448 = "The logger of the training wants {name}, which is not installed. Type: pip install {package}"
    BC449 = (
        "Another process is training into '{path}'. Wait for it, end it (it writes a checkpoint first), or train into "
        "another folder."
    )

    # BC434 … BC441: text classification
    BC434 = (
        "Pooling \"cls\" reads a transformer's [CLS] rows, but tok2vec ('{layer}') is no transformer. Set "
        '@architectures = "spacy-transformers.TransformerListener.v1" under [….model.tok2vec], or pool over tokens: '
        'pooling = "mean", "max", "mean_max" or "attention".'
    )
    BC435 = (
        "Component '{name}' computed a loss of {loss}: its model has diverged. Lower "
        "[training.optimizer.learn_rate], add warm-up steps, or set the encoder's precision to fp32."
    )
    BC436 = (
        "Component '{name}': class_weights must give labels of the corpus ({labels}) weights above 0, got {given}. "
        'Correct it in the config, or set class_weights = "balanced".'
    )
    BC437 = "Component '{name}': label_smoothing must be at least 0 and below 1 (0.1 is usual), got {given}."
    BC438 = "Component '{name}': a temperature must be a number above 0 (1 changes nothing), got {given}."
    BC439 = "Component '{name}': thresholds must give labels of the component ({labels}) numbers from 0 to 1, got {given}."
    BC440 = (
        "Component '{name}' cannot choose thresholds: {what}. Give examples whose predicted documents have been through "
        "the pipeline, such as Example(nlp(gold.text), gold)."
    )
    BC441 = (
        "The extension attribute doc._.cats_assigned is registered already, with a getter or a method, so the text "
        "classifier could not write into it. Give your own attribute another name."
    )

    # BC450 … BC459: reading corpora
    BC450 = (
        "No corpus to read at '{path}': {why}. Give a .spacy file or a folder of such files (for training: path under "
        "[corpora.train], usually set by --paths.train); `python -m corpus_scripts.convert --help` tells how to make one."
    )
    BC451 = (
        "The folder '{path}' holds no .spacy file. Convert the corpus into it (python -m corpus_scripts.convert --help), "
        "or give the folder that holds the shards."
    )
    BC452 = (
        "The shard {shard} is damaged, or no .spacy file ({why}). Copy it again, or convert the corpus again; the other "
        "shards need not be made anew."
    )
    BC453 = "[corpora]: {what} is {value}, but must be {want}. Correct it in the config."
    BC454 = (
        "'{path}' holds no documents, so nothing of it can be mixed in. Convert the corpus again, and read the report "
        "beside the file; or take this path out of the config."
    )
    BC455 = (
        "'{path}' has no labels of the kind '{kind}'. Give the kind its annotations are of (ents, cats or spans), or "
        "look at the corpus with `python -m spacy bioclinical debug-corpus`."
    )

    # BC456 … BC459: suites of trainings
    BC456 = (
        "In the suite, {what} is {given}, but must be {wanted}. `python -m spacy bioclinical evaluate-suite --help` tells the "
        "options; files of configs/suite show the keys."
    )
    BC457 = (
        "Choosing a setting on dev (--sweep) needs optuna, which is not installed. Type: pip install "
        "'spacy-bioclinical[sweep]'; or give the value itself, for example --training.optimizer.learn_rate.initial_rate 5e-5"
    )
    BC458 = (
        "{n_failed} of {n_cells} runs failed. '{path}' tells each error and its log; correct the cause and type the same "
        "command again: what is done is not done again."
    )
    BC459 = (
        "'{path}', the {part} part of the task {task}, does not exist. Convert the corpus first (python -m spacy project run "
        "convert . --vars.task {task}), or leave the task out with --tasks."
    )

    # --- BC5xx command line, configs, project ------------------------------------------------------------------

    BC501 = "Overlay '{path}' does not exist. Overlays of this project lie in configs/; list the files with `ls configs/*`."
    BC502 = (
        "Overlay '{path}' is not a readable config: {reason} "
        "Each section must appear once, each key once in its section; values are JSON. Correct the file at that line."
    )
    BC503 = (
        "{path}: section [{section}] is not one that spaCy knows. {hint}Known: {known}. "
        "Rename the section, or put what belongs to it under one of these."
    )
    BC504 = "Overlay '{path}' includes itself: {circle}. Take one of these names out of `include` in section [compose]."
    BC505 = (
        "Overlay '{path}': section [compose] may hold one key only, a list of paths relative to this file: "
        'include = ["../base.cfg"]. Correct that section.'
    )
    BC506 = (
        "'{key}' is a section in one overlay and a single value in another ({first}; {second}). "
        "Make both a section, or both a value."
    )
    BC507 = (
        "nlp.pipeline is {pipeline} but the components are {components} (from {sources}). Each name in the pipeline needs "
        "one section [components.NAME] and the other way round; usually a head is missing: add configs/head/ner_bio.cfg."
    )
    BC508 = (
        "The composed config does not hold together ({sources}). spaCy says: {reason} "
        "Correct the overlay that sets this value; `compose … --output -` shows the whole config once it fits."
    )
    BC509 = (
        "'{key}' (set by {source}) is not a setting that its section takes, spaCy would drop it without a word. {hint}"
        "Correct the name or take the line out."
    )
    BC510 = "'{key}' is not set. Pass it to compose: {option}, or set it in an overlay."
    BC511 = (
        "GPU {gpu_id} was asked for, but torch {torch} sees {n_devices} CUDA devices. Use --gpu-id -1 for the CPU, "
        "or install a build of torch for this machine's driver; `python -m spacy bioclinical info` shows what torch sees."
    )
    BC512 = "`{command}` ended with exit code {code}. Its own messages stand above; correct that and run the same command again."
    BC513 = "'{path}' does not hold {what}. Run the project command that makes it: python -m spacy project run {step}"
    BC514 = (
        "Pipeline '{name}' gives other output after installation than before packaging: document {doc_id}, {what}. "
        "Build the packages again from the same model (python -m spacy project run all --force); if it stays so, a "
        "setting that shapes the output is not saved with the pipeline."
    )
    BC515 = (
        "No words per second in what `spacy benchmark speed` printed for '{model}'. "
        "Run the command by hand to see why: python -m spacy benchmark speed {model} {corpus}"
    )
    BC516 = (
        "spacy-bioclinical is not installed in this environment, so its requirements are not known. "
        "Install it first: python -m pip install -e ."
    )

    # BC460 … BC467: calibration
    BC460 = (
        "No threshold promises a recall of {target} with confidence {confidence}: at the lowest one {found:.4f} of {n} "
        "mentions in {n_documents} documents are covered. Ask for less (--target-recall, --confidence), calibrate on more "
        "documents, or train a better model."
    )
    BC461 = "{what} is {value}, but must lie between 0 and 1, both excluded."
    BC462 = (
        "{data} holds a shard of the corpus that the pipeline was trained on ({train}): what a model has learned by heart "
        "says nothing about new documents. Calibrate on a development corpus."
    )
    BC463 = "{path} {why}. Give another folder with --output."
    BC464 = (
        "Nothing to calibrate: no component of [{components}] that knows calibration has made a prediction that the gold "
        "annotation of the {n} documents can judge. It can be done for bioclinical_ner, bioclinical_spans, "
        "bioclinical_textcat and bioclinical_textcat_multilabel."
    )
    BC465 = (
        "A promise about recall needs scipy, which is not installed; it comes with an extra: "
        "python -m pip install 'spacy-bioclinical[project]'."
    )
    BC466 = (
        "No recall can be promised or checked: nothing in [{components}] gives tokens a probability to be part of an "
        "entity, or the gold documents hold no entities. It takes a bioclinical_ner; a prediction file must be written by "
        "`python -m spacy bioclinical evaluate … --predictions FILE --token-scores`."
    )
    BC467 = "{what}. `python -m spacy bioclinical calibrate --help` tells the options."
    # BC468 … BC475: report
    BC468 = (
        "{path} is nothing that a report can show. It takes what `evaluate --output` and `--predictions`, `evaluate-suite`, "
        "`context-value`, `speed`, `train --report` and `calibrate --report` write, a training's log.csv, and folders of them."
    )
    BC469 = "{path} cannot be read ({why}). Write it again, or leave it out."
    BC470 = (
        "Nothing to report in {paths}. Score a pipeline first: python -m spacy bioclinical evaluate MODEL DATA --output "
        "metrics/NAME.json --predictions metrics/NAME.predictions.jsonl.gz"
    )
    BC471 = (
        "{path} is the corpus of none of the prediction files ({n_files} of them were given; data are told by their "
        "SHA-256). Give with --with-text the very corpus that was evaluated, and its prediction file."
    )
    BC472 = (
        "Document {number} of {path} has {n_corpus} characters, but {n_predicted} in the prediction file {name}, so its "
        "offsets do not fit. Evaluate again with --predictions."
    )
    BC473 = (
        "There are no scores for a model card: give one file that `evaluate --output` wrote, not {n_files}."
    )
    # BC476 … BC479: the card in a package
    BC476 = "{path} is nothing for {option}, which takes what `{command}` wrote: {why}. Write it again, or leave {option} out."
    BC477 = (
        "The scores in {path} are not of the pipeline in {model}: they are of one with {what}. Score this one: "
        "python -m spacy bioclinical evaluate {model} DATA --output {path}"
    )
    # BC480 … BC483: the tokenizer
    BC480 = (
        "[initialize.tokenizer]: split_words is {given}, but must be the number of documents from which on a word is "
        "split where mentions begin or end within it, or 0 to split none. Correct it in the config."
    )
    # BC484 … BC487: trackers of a training
    BC484 = (
        "{name}, which the logger of the training wants, did not start: {error}: {why} Put that right, or leave {name} out "
        "of [training.logger]."
    )
    # BC530 … BC539: benchmark
    BC530 = "{option} is {given}, but must be {wanted}. `python -m spacy bioclinical benchmark --help` tells the options."
    BC531 = (
        "{path} cannot be continued: {why}. Figures of different runs do not belong into one table. Give the options of "
        "that run, or another --output, or leave out --resume to begin anew."
    )
    BC532 = (
        "There is no python interpreter at {path}. EDS-NLP needs an environment of its own: python -m venv ENV, then "
        "ENV/bin/python -m pip install 'edsnlp[ml]' torch=={torch}, and give --edsnlp ENV/bin/python."
    )
    BC533 = (
        "Nothing was measured: every contestant failed. The first, {key}: {why}. Each failure is told in the result "
        "file given by --output."
    )

    # BC540 … BC549: debug-corpus
    BC540 = "{option} is '{given}', but must be {wanted}. `python -m spacy bioclinical debug-corpus --help` tells the options."
    BC541 = (
        "No document in {paths}. Convert the corpus again, and read the report beside the file: "
        "python -m corpus_scripts.convert --help"
    )
    BC542 = "'{path}' is given twice: every document of it would count as leakage. Name each file once."
    BC543 = (
        "{n_findings} findings are marked ✘: train on this corpus only when you know why they are there. (Leave out --strict to be "
        "told without an error.)"
    )

    # --- BC6xx corpora -----------------------------------------------------------------------------------------
    BC601 = (
        "Span {index} of record '{record}' ({start}-{end}) does not lie in its text, which has {length} characters. "
        "Offsets count characters (code points), start at 0, and the end is one past the last character. "
        "Source: {where}. Check how the offsets were made (bytes instead of characters? another line ending?)."
    )
    BC602 = (
        "The text of record '{record}' holds half of a surrogate pair at character {offset}, which is no character "
        "and cannot be stored. Source: {where}. Re-export the text as UTF-8, or repair it with "
        "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')."
    )
    BC603 = (
        "Two records have the id '{record}'. Ids must differ, or predictions and reports cannot be traced back. "
        'Rename one file, or give each JSONL line its own "id".'
    )
    BC604 = (
        "{path}, line {line}: {columns} column(s), but the token is read from column {token_column} and the tag from "
        "column {tag_column}. Columns are separated by a tab (or else by white space) and counted from 0, from the "
        "end when negative. Set --token-column and --tag-column."
    )
    BC605 = (
        "{path}, line {line}: the tag is neither O nor a prefix of the scheme {scheme} followed by '-' and a label. "
        "If the tag stands in another column, set --tag-column; if the scheme is another one, set --scheme."
    )
    BC606 = (
        "{path}, line {line}: a tag continues an entity that was never begun. "
        "Choose --repair open (it begins one) or --repair drop (it is left out and counted)."
    )
    BC607 = (
        "{path}, line {line}: not a line of the brat standoff format ({why}). "
        "An entity reads: id TAB label start end TAB mention, as written by brat."
    )
    BC608 = (
        "{path}, line {line}: the mention written there is not what stands at {offsets} of {text_path} "
        "(counted in characters; line endings and byte order mark were tried both ways). "
        "The two files do not belong together, or one was changed after annotating: restore the pair."
    )
    BC609 = (
        "{path}: its partner {partner} is missing. brat needs a .txt and an .ann of the same name "
        "(an empty .ann says: annotated, nothing found). For texts without annotation choose --missing-ann skip."
    )
    BC610 = (
        "{path}, line {line}: {why}. A line reads "
        '{{"id": "n1", "text": "…", "spans": [{{"start": 0, "end": 4, "label": "name"}}], "cats": {{"LABEL": 1}}}}; '
        "id, spans, cats and labels may be left out."
    )
    BC611 = (
        "{path} is not UTF-8 text (byte {offset}). Convert it first, for instance: iconv -f LATIN1 -t UTF-8."
    )
    BC612 = "No record was found in {where}. Check the path and --format; nothing was written."
    BC613 = (
        "There is no corpus '{name}'. Known: {known}. `python -m corpus_scripts.convert list` tells about each; "
        "for files of your own use `python -m corpus_scripts.convert files --format …`."
    )
    BC614 = (
        "The corpus '{name}' has no {expected} in {folder}. Expected layout: {layout}. Access: {access}. "
        "Give the folder that holds these with --input."
    )
    BC615 = (
        "{lost} of {total} annotated spans of {name} could not be kept ({reasons}), more than the {limit:.2%} allowed. "
        "Nothing was written. Look at the source, or allow it with --max-loss."
    )
    BC616 = (
        "Cannot split {total} documents ({groups} groups) into dev={dev} and test={test}: {why}. "
        "Give fractions that add up to less than 1, and enough documents for one in each part."
    )
    BC617 = (
        "Record '{record}' has no valid {field}: {why}. Source: {where}. "
        "A record is Record(id, text, spans, labels, meta); see corpus_scripts/record.py."
    )
    BC618 = (
        "Span {index} of record '{record}' ({start}-{end}) begins or ends with white space. Source: {where}. "
        "Trim it in the source, or let the conversion trim and count it."
    )
    BC619 = "Record '{record}' cannot be written as {format}: {why}. Change the record before writing it."
    BC620 = "{path} is not a .spacy file written by this project or by `spacy convert` ({why})."
    BC621 = (
        "Cannot guess the format of {path}. Give --format (`convert formats` lists them). Guessed are: a folder, .txt or "
        ".ann as brat; .jsonl; .csv; .parquet; .tsv, .conll, .iob and .bio as conll; .pubtator; .xml and .json as BioC; "
        "each also as .gz or .xz."
    )
    BC622 = "{option} is '{value}', but must be {expected}."
    BC623 = (
        "Record '{record}' has the label '{label}', which is not among the labels given. "
        "Add it to --labels, or check its spelling in the source."
    )
    BC624 = (
        "{path} cannot be decompressed ({why}). The file is damaged or its ending is wrong: fetch it again."
    )
    BC625 = "The corpus '{name}' is in {format} format; {option} has no meaning there. Leave it out."
    BC626 = (
        "{path}, record {record}: {why}. id.text and id.res must be the two files of one release: the same "
        "records in the same order, and the same words outside the [**…**] marks. Fetch both again."
    )
    BC627 = "--set {setting}: {why}. Give KEY=VALUE; the keys are {keys}."
    BC628 = (
        "There is no {path}. Check the path; for a data set of the hub give its name and --format dataset."
    )
    BC629 = (
        "{path} is a folder that holds other files than shards of a corpus, and would be replaced. Nothing was changed; "
        "give another --output."
    )
    BC640 = (
        "{path}, {where}: the loader published with the paper stops here ({why}). "
        "Convert with --mode exact, which reads it."
    )
    BC641 = "{path}, line {line}: {why}. Restore the file as its publisher gives it."
    BC642 = (
        "The corpus '{name}' cannot be read with {option} '{value}': {why}. "
        "Leave {option} out, or place the files as `python -m corpus_scripts.convert list` says."
    )
    BC643 = (
        "The published split of '{name}' makes {parts} documents of {total}: a part would be empty. "
        "Give the whole corpus, or another split with --split checksum."
    )
    BC644 = (
        "{path}: {why}. The notes and their annotations are joined by ROW_ID: place NOTEEVENTS.csv (or .csv.gz) of "
        "MIMIC-III 1.4, whole, beside the annotation file."
    )
    BC635 = (
        "{path}, line {line}: not a line of the PubTator format ({why}). Lines read: ID|t|title, ID|a|abstract, then "
        "mentions as ID TAB start TAB end TAB mention TAB type TAB concept and relations as ID TAB name TAB concept TAB "
        "concept; a blank line ends a document."
    )
    BC636 = (
        "{path}, line {line}, column {column}: not well-formed {format} ({why}). The file is damaged or was not written "
        "completely; export or fetch it again."
    )
    BC637 = (
        "{path}, {where}: the mention written there is not what stands at {offsets} of document {document} (counted in "
        "characters, UTF-16 units and bytes; {advice}). The text was changed after annotating: restore the source."
    )
    BC638 = (
        "{path}, line {line}, document {document}{annotation}: not BioC ({why}). A document has an id and passages; a "
        "passage has offset and text, and annotations with infons, locations (offset and length) and text."
    )
    BC639 = (
        "{path}, line {line}: the file declares entities of its own, which BioC has no use for and which can blow up "
        "without bound. It was not read further. Export it again without an internal DTD."
    )
    BC670 = "{what} is {value}, but must be {range}. Type: python -m corpus_scripts.synthetic stand-in --help"
    BC671 = (
        "{path} exists and was not written by this command: it may be the real corpus. Nothing was written; "
        "give --output a folder of its own."
    )
    BC672 = (
        "{given} of --documents and --words were given, but exactly one says how long the joined documents are. Give "
        "--words 2600 (joined until the next would pass that many), or --documents 5 (that many in each)."
    )
    BC673 = (
        "{path}: some documents have {what}, others (such as '{record}') have none, and a joined document cannot tell "
        "who was looked at. Nothing was written; join the two kinds separately."
    )
    BC674 = "Cannot join {source} into {output}: {why}. Nothing was written."
    BC675 = "{path} holds no document to join. Nothing was written; check the path."
    BC645 = (
        "{path}, line {line}: {why}. This is not the markup of an i2b2 release: restore the file as it was published, "
        "or correct that line."
    )
    BC646 = (
        "{path}, line {line}: the mention written there is not what stands at {start}-{end} of the text, which has "
        "{length} characters (characters and bytes were tried), and was found {found} times within {near} characters "
        "of it. Correct that tag; to trust the offsets as they are, choose --set mismatch=keep."
    )
    BC647 = (
        '{path}, line {line}: {why}. A concept reads: c="text" LINE:TOKEN LINE:TOKEN||t="type", lines counted from 1, '
        "tokens from 0, the last one included. Restore the file, or correct that line."
    )
    BC648 = (
        "{path}: {why}. The i2b2 2010 release has one .con for each .txt, of the same name: "
        "txt/NAME.txt with concept/NAME.con beside it. Restore the missing file."
    )
    BC649 = (
        '{path}, line {line}: {why}. A line of MedNLI reads {{"gold_label": "neutral", "sentence1": "…", '
        '"sentence2": "…", "pairID": "…"}}. Restore the file.'
    )
    BC650 = (
        "{path}, line {line}: {why}. Expected is a table of notes as MIMIC publishes it: NOTEEVENTS.csv with ROW_ID and "
        "TEXT, or discharge.csv / radiology.csv with note_id and text, quoted by double quotes. Fetch the file again."
    )
    BC651 = "{path}, line {line}: the published loader stops here ({why}). Convert with --mode exact, which reads it."
    BC652 = (
        "{name}: {url} could not be fetched ({why}). What was received is kept; run the same command again."
    )
    BC653 = "{name}: the archive {path} was not unpacked ({why}). Nothing of it was kept beside the archive itself."
    BC654 = "{path}: {why}."
    BC655 = (
        "Record '{record}' cannot be written as CoNLL: {why}. Write --format brat or --format jsonl, which can, or add "
        "--lossy to leave such things out, counted."
    )
    BC656 = (
        "{path}, line {line}: {why}. The file begins as `python -m corpus_scripts.export --format conll` writes it, so each "
        "line must read: token TAB _ or Key=value|… TAB tag. Export it again, or delete the second column."
    )
    BC657 = (
        "{path} exists already. Choose another --output, or add --force to replace it; nothing was written."
    )
    BC658 = (
        "{path}, line {line}: a carriage return stands inside the line. Lines end with LF or CRLF; here some end with CR "
        "alone. Convert them first, for instance: tr '\\r' '\\n' < OLD > NEW."
    )
    BC659 = (
        "Record '{record}' cannot be written as brat: {why}. Write --format jsonl, which can, or add --lossy to leave such "
        "things out, counted."
    )
    BC661 = (
        "{path} is in R's format, and the package that reads it is not installed. Type: python -m pip install "
        "'spacy-bioclinical[corpora]', then the same command again."
    )
    BC630 = (
        "{path}, line {line}: {why}. A table has a header, then rows with as many columns; a cell that holds the "
        "separator, a line break or a quote stands in quotes, and quotes in it are doubled. Name columns with "
        "--text-key and --labels-key, the separator with --set rows.delimiter=…, or export the table again."
    )
    BC631 = (
        "{path}: the first row ({columns} columns) {why}. It must name each column once, among them the text and the "
        "columns asked for. Set --text-key, --set rows.label_columns=… or --set rows.delimiter=…, or add a header."
    )
    BC632 = "Reading {name} needs the package datasets, which is not installed. Type: pip install datasets"
    BC633 = (
        "{path}, row {line}: {why}. A row has a text (or tokens and ner_tags) and may have id, spans, cats and labels. "
        "Columns of other names are given with --text-key, --labels-key and --set rows.tags=…."
    )
    BC634 = (
        "The data set {name} cannot be read: {why}. Give a .parquet file, a folder (of Parquet, CSV or JSONL files, or "
        "made by save_to_disk), or the name of a data set of the hub, which needs a network; --set split=… chooses a split."
    )

    # --- BC7xx pretraining -------------------------------------------------------------------------------------

    BC701 = (
        "Cannot read text from '{path}': {why}. Give .txt, .jsonl, .json, .csv, .tsv, .parquet, .xml or .nxml files "
        "(also .gz or .xz), or folders that hold such files: --text FOLDER --text FILE."
    )
    BC702 = (
        "{file}, line {line}: byte {offset} of that line is not UTF-8. Convert the file once (iconv -f LATIN1 -t UTF-8 "
        "OLD > NEW, with the encoding it really has) and run again."
    )
    BC703 = "{file}, line {line}: {why}. Correct that line, or take it out, and run again."
    BC704 = "{file}: no column '{wanted}' (the header has {n} columns). Name the column that holds the note: --text-key COLUMN."
    BC705 = "{file}: the compressed file cannot be read to its end ({why}). Copy it again or unpack it to see where it breaks."
    BC706 = (
        "No document with text in {n_files} files ({n_empty} empty ones were passed over). Check --text and --text-key: "
        "pretraining needs at least one document."
    )
    BC707 = (
        "The shard file {file} is damaged: {why}. Delete the folder {folder} and run the same command again; "
        "the text is then tokenised anew."
    )
    BC708 = (
        "A document of {length} pieces does not fit into a row of {budget}. Set the recipe's row_pieces to at least its "
        "max_length ({budget} or fewer pieces per document)."
    )
    BC709 = "{what} is {value}, but must lie in {range}. Correct it in the recipe."
    BC710 = "There is no schedule '{name}'. Known: {known}. Correct `schedule` in the recipe."
    BC711 = (
        "The optimizer StableAdamW comes from torch-optimi, which is not installed. Type: "
        'python -m pip install "torch-optimi>=0.3" (it is part of the extra "project").'
    )
    BC712 = "There is no recipe '{name}'. Known: {known}. Type: python -m pretrain.train --recipe {first}"
    BC713 = (
        "The folder {folder} holds no weights (model.safetensors) to continue from. To start from random weights in the "
        "recipe's shape, add --from-scratch."
    )
    BC714 = (
        "The checkpoints in {folder} belong to another run: {different}. They are left untouched. To go on with that run, "
        "give its settings; to begin anew, add --set-aside (keeps them in a folder beside) or --restart (deletes them)."
    )
    BC715 = "No checkpoint in {folder} can be read ({why}). Begin anew with --restart, or copy an intact step-… folder there."
    BC716 = (
        "Training stopped before step {step}: {what} is not a finite number (learning rate {lr:.3g}). The last good "
        "checkpoint is that of step {last}. Lower the recipe's lr (a third is a usual try), train in fp32 "
        "(--precision fp32), or look at the documents of this step: {rows}. Then run again with --restart."
    )
    BC717 = (
        "The tokenizer in {folder} cannot be used for pretraining: it has no {what}. Train one of the right shape: "
        "python -m pretrain.tokenizer --text FILE --output {folder}"
    )
    BC718 = (
        "The tokenizer in {folder} has {n_pieces} pieces, the weights there know {n_rows}. They do not belong together; "
        "copy the tokenizer files that came with the weights."
    )
    BC719 = (
        "A vocabulary of {vocab_size} is too small: {least} are taken by the 256 bytes and the special pieces. "
        "Give --vocab-size of at least {least}."
    )
    BC720 = "Device '{device}' is not to be had on this machine (known: cpu, cuda, cuda:N, auto). Type: --device cpu"
    BC721 = (
        "The optimizer's parameters changed between checkpoint and run ({why}). The checkpoint in {folder} was written by "
        "another version; begin anew with --restart."
    )
    BC722 = (
        "--output and --encoder are the same folder ({folder}): the starting weights would be overwritten and the run could "
        "not be resumed. Choose another --output."
    )
    BC723 = "Nothing to train on or nowhere to write: {what} missing. Type: python -m pretrain.train --help"
    BC730 = "{what} is '{value}', which is not known. Known: {known}. Correct it in the recipe."
    BC731 = (
        "The batch warm-up cannot be: {why}. Correct `batch_warmup` in the recipe: from first_rows, in increments, to "
        "last_rows, which are the recipe's rows_per_step."
    )
    BC735 = "{file}, line {line}: {why}. Get that file again or take it out, and run again."
    BC736 = (
        "{file}, line {line}: the file declares entities of its own, which is refused (they can blow up to any size or read "
        "other files). Files of PubMed and PMC need none: get it from there, or remove the declaration."
    )
    BC737 = "{file}, row {row}: the Parquet file cannot be read ({why}). Copy it again, or write the text as a column of strings."
    BC738 = (
        "{file}: not a table of codes: {why}. It needs a header (or keys) with code and description; the version may be "
        "given in a data file: version: 10"
    )
    BC739 = (
        "{where}: {why}. A source is written NAME=PATH:WEIGHT (--text notes=assets/notes:2), or in a data file as a list "
        "`sources` with name, paths, and if wanted kind, text_key, version, weight, skip_ids, skip, keep."
    )
    BC740 = (
        "Source '{source}': no document has the field '{key}' that its rule ({rule}) asks for, so the rule would do nothing. "
        "Correct the field's name, or take the rule out."
    )
    BC741 = "{what} is {value}, but must be {range}. Correct the setting and run again."
    BC742 = "There is no kind of text '{kind}'. Known: {known}. Correct `kind` in the data file."
    BC743 = '{what} need pyarrow, which is not installed. Type: python -m pip install datasets (it is part of the extra "project").'
    BC744 = "A tokenising process ended by itself, most likely for want of memory. Run again with fewer processes (--workers 1)."
    BC750 = (
        "Next sentences cannot be predicted: this model (model_type {family}) was built without that head. Only BERT has "
        "one (BertForPreTraining); train with masked pieces alone, or start from a folder that holds cls.seq_relationship "
        "and bert.pooler."
    )
    BC751 = "The {what} of a packed row have shape {given}, wanted ({wanted},). Give one for each item of the row."
    BC752 = (
        "The published section splitter stops on this note: its look for numbered items counted {counted}, of which "
        "{found} were found (segment {segment}). The published pipeline dropped such notes; leave legacy off to keep them."
    )
    BC753 = "Pairs of sentences cannot be made: {why}. Give at least two notes with text, and a max_length of 5 or more pieces."
    BC754 = "No notes of {path} could be written: {why}. Check that the notes hold text and that the folder can be written to."
    BC770 = (
        "{file} cannot be imported: {why}. Give a checkpoint as Composer writes it (ep…-ba…-rank0.pt or latest-rank0.pt), "
        "copied whole: python -m pretrain.composer CHECKPOINT --tokenizer FOLDER --output FOLDER"
    )
    BC771 = (
        "{file} asks for objects that are neither tensors nor plain values: {names}. To build them can run code, so nothing "
        "was read. Weights need none of them. If you know where the file comes from, have them replaced by empty stand-ins "
        "(nothing of theirs is imported or run): {options}"
    )
    BC772 = (
        "The weights in {file} are not those of a ModernBERT of this shape. Missing: {missing}. Unexpected: {unexpected}. "
        "Other shape: {shapes}. Nothing was written. Only checkpoints of ModernBERT and models trained on from it can be "
        "imported."
    )
    BC773 = "{file}: setting '{key}' is {value}, but {want}. Nothing was written; such a model cannot be imported."
    BC774 = "No curves from {file}: {why}. Give the folder of a run's logs (OUTPUT.work): python -m pretrain.curves WORK"
    BC745 = (
        "Nothing to train on: {n} sequences fill no batch of the packing '{packing}'. Give more text, or set "
        "row_pieces and rows_per_step lower in the recipe (or its packing to best_fit)."
    )
    BC746 = (
        "The terms in {what} cannot be used: {why}. Give a .txt file with one term a line, or a .csv or .tsv table (also .gz "
        "or .xz) and its column."
    )
    BC747 = "Masking '{masking}' cannot be: {why}. Correct `masking` in the recipe, or give what is missing."
    BC755 = (
        "The {what} of step {step} could not be written to {folder} ({why}). Earlier checkpoints are intact. Free space on that "
        "disk, or choose another --work folder with the old one's contents, and run the same command to go on."
    )
    BC756 = "Step {step} was left out: {what} is not a finite number ({n} in a row). The run goes on with the next step."
    BC757 = (
        "Several processes need accelerate, which is not installed. Type: "
        'python -m pip install "accelerate>=1.0" (it is part of the extra "project"), or start one process.'
    )
    BC758 = (
        "Cannot branch from {place}: {why}. Give a checkpoint folder (OUTPUT.work/checkpoints/step-…), a working folder for its "
        "newest one, or a working folder and step: --branch-from OUTPUT.work@STEP"
    )
    BC759 = "torch.compile does not work here ({why}); the run goes on without it. On a CPU it needs a C++ compiler, such as g++."
    BC760 = "Cannot log to {name}: {why}. Type: {command}"
    BC761 = "Passed over damaged checkpoints ({why}); the run goes on from step {step}."
    BC762 = (
        "Went back to step {step}, to go on with {scale:g} times the recipe's learning rate: {what} was not a finite number at "
        "step {bad}."
    )
    BC763 = "Another process of this run could not write its files; its message says why. Run the same command to go on."
    BC765 = "A window of {window} pieces has no room for text: it takes {least} pieces at least, special ones included. Give --window {least} or more."
    BC766 = (
        "{folder} holds {n} collections of shards, but one is needed. Give the working folder of a run (OUTPUT.work) or, "
        "where it holds several, the folder shards-… itself: --shards FOLDER"
    )
    BC767 = "There is nothing to evaluate: {why}. {todo}."
    BC768 = (
        '{file}, line {line}: {why}. A line is a JSON object with "text" and "spans", each span with "start" and '
        '"end" in characters of the text. Correct that line, or take it out, and run again.'
    )
    BC769 = "The canaries cannot be made or read: {why}. {todo}."
    BC775 = (
        "{key} does not compute what {reference} computes on the same documents: {what} differs by {found:.2e}, at most "
        "{most:.0e} is allowed. Nothing was timed. Look first at versions of torch and transformers (the result would be "
        "a comparison of two different models)."
    )
    BC776 = (
        "{what} is {given}, but must be {wanted}. Correct the command: python -m pretrain.benchmark --help"
    )
    BC777 = "Ours failed in the benchmark, so there is nothing to compare: {why}. Try fewer or shorter documents (--max-length)."
    BC778 = (
        "The recipe {name} trains on sentence pairs, which only a BERT reads (token types, next-sentence head); this encoder is "
        "of model_type {family}. Give a BERT folder, such as BioBERT: --encoder FOLDER, or take a recipe of packed documents: "
        "--recipe tiny"
    )
    BC779 = (
        "{folder} holds no weights for {heads}: they start at random and are of use after training only. For weights that came "
        "with all heads, give a folder saved from BertForPreTraining or a masked language model."
    )
    BC780 = (
        "The recipe's documents have up to {given} pieces, but this encoder has {context} learned positions: documents are cut "
        "at {context} pieces."
    )
    BC781 = (
        "Cannot go on from the checkpoint {place}: it holds {holds} next-sentence head, and the recipe {name} trains {trains}, so "
        "the optimizer's moments do not fit. Export the other run and start from its folder (--encoder FOLDER), or add --restart."
    )
    BC785 = (
        "The report {file} cannot stand in the card of {candidate}: {why}. Make it anew of these weights: "
        "python -m {command} {candidate} --help"
    )
    BC786 = (
        "{candidate} is not released: {why}. Follow the report's advice and train again, or take responsibility for it "
        'with a reason, which the card will tell: --accept-memorisation "REASON"'
    )
    BC787 = "{candidate} cannot be released: {why}. {todo}."
    BC788 = "No text was named. Give files, folders or a data file: --text FILE, or --data SOURCES.yaml"
    BC789 = (
        "No tokenizer and no weights in the folder {folder}, where training is to begin. Name another with --encoder, or "
        "learn a tokenizer: python -m pretrain.tokenizer --text FILE --output {folder}"
    )
    BC790 = (
        "What an interrupted build of shards left in {folder} cannot be taken up: it is {why}. The build begins anew; there "
        "is nothing to do."
    )
    BC791 = (
        "The state of the build in {folder} cannot be saved ({why}). The build goes on; if it is interrupted, what was done "
        "since the last state is done again. Make room on the disk."
    )
