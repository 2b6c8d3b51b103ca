"""The RBF-kernel SVM head."""
