"""What phones and apps hand out, as they write it: for the fictional district and the tests of readers."""
