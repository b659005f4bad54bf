"""The bundle's folder: manifest, report, model card, bill of materials."""
