"""What it takes to talk to IG: REST session, Lightstreamer link, and the pure decisions of both."""
