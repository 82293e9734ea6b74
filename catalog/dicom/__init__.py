"""What a DICOM file says: data elements, Part 10 headers, values as Python, SOP Classes.

The only room that imports pydicom.
"""
