"""What Bio_ClinicalBERT and Bio_Discharge_Summary_BERT were trained with: sections, sentences, pairs of sentences."""
