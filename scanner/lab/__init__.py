"""An estate of simulated servers on 127.0.0.0/8, good and hostile. Encodes with bson, never with our wire."""
