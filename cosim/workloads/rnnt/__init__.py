"""Speech transcription with a recurrent transducer, RNN-T, on five chips as in Nature 620, 768 (2023)."""
