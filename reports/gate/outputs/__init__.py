"""What a judgement is written as: JSON, JUnit, Markdown."""
