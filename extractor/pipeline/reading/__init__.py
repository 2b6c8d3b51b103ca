"""Reading and decoding images ahead of the engine, in threads or in processes."""
