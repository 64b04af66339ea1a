//! A read-only 9P2000.L file server that cannot leave its share.
