"""Files on disk: walking folders, copying with proof, digests. Knows nothing of DICOM."""
