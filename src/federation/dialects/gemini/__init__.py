"""The Gemini dialect: generateContent, streamGenerateContent and countTokens, both faces."""
