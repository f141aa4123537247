"""Prompts made from templates, for the kinds of prompt that public data hardly has.

Written for this project. They teach a classifier the verbs that people use, in eleven
languages; what a prompt is about comes from real data.
"""

# ruff: noqa: E501 - patterns and templates are easier to read unbroken
from __future__ import annotations

from collections.abc import Iterator
from random import Random

TOPICS = (
    """
electric cars|the French Revolution|remote work|our onboarding process|climate change|a coffee
shop|machine learning|the housing market|sleep quality|a mobile banking app|renewable energy|a
small online store|quantum computing|the Roman empire|customer churn|a hiking trip to Norway|our
quarterly sales|a vegan diet|cyber security|the school calendar|a podcast about history|supply
chain delays|a children's hospital|the new tax law|team meetings|a marathon|an open source
project|user interviews|a wedding for 80 guests|data privacy|the employee handbook|a kitchen
renovation|antibiotic resistance|the stock market|a community garden|a job interview|the refund
policy|our cloud costs|a space mission|social media marketing
""".replace("\n", " ")
    .strip()
    .split("|")
)

CODE = (
    """
a REST endpoint|a binary search tree|the login form|a CSV parser|this SQL query|a React
component|the payment service|a Dockerfile|an LRU cache|a web scraper|the unit tests|a bash
script|the user model|a regex for e-mail addresses|a websocket server|a Kubernetes manifest|the
authentication middleware|a sorting algorithm|a Terraform module|the migration script|a Discord
bot|a rate limiter|the recursive function|an Excel macro|a Python decorator|a Rust struct|the
Java class|a C++ template|a TypeScript hook|a Go routine
""".replace("\n", " ")
    .strip()
    .split("|")
)

TOOLS = (
    """
pandas|numpy|PyTorch|React|Vue|Angular|Django|Flask|FastAPI|Spring Boot|Laravel|WordPress|nginx|
Docker|Kubernetes|Terraform|Ansible|AWS Lambda|PostgreSQL|MySQL|MongoDB|Redis|SQLite|Excel VBA|
PowerShell|bash|awk|git|GitHub Actions|Jenkins|ffmpeg|OpenCV|matplotlib|seaborn|scikit-learn|
TensorFlow|Hugging Face transformers|LangChain|Selenium|BeautifulSoup|Node.js|Express|Next.js|
Tailwind CSS|HTML and CSS|SwiftUI|Kotlin on Android|Flutter|Unity|Unreal|Blender scripts|C#|.NET|
C++|Rust|Go|Haskell|OCaml|Scala|Perl|R|Julia|MATLAB|Fortran|assembly|VHDL|Verilog|Arduino|
Raspberry Pi|Apache Spark|Kafka|RabbitMQ|gRPC|GraphQL|OAuth|JWT|websockets|systemd|cron|Linux|
Nix|CMake|Gradle|npm|jQuery|D3|Svelte|Solidity|Discord API|Telegram bot API|Google Sheets|SQL
""".replace("\n", " ")
    .strip()
    .split("|")
)

TASKS = (
    """
read a CSV file|parse JSON|upload a file|send an e-mail|sort a list of objects|join two tables|
resize an image|plot a histogram|scrape a web page|cache the results|run jobs in parallel|
validate user input|add pagination|connect to a database|handle timeouts|log in a user|merge two
data frames|remove duplicates|convert a date|stream a video|add a dropdown menu|deploy an app|
count distinct values|mock a module in a test|train a classifier|set an environment variable|
export a PDF|rename many files|schedule a task|show a progress bar|find the longest substring
""".replace("\n", " ")
    .strip()
    .split("|")
)

SEEDS: dict[str, str] = {
    "code_implementation": """
How do I {d} in {s}?|how to {d} with {s}|How can I {d} using {s}?|Write {s} code to {d}|I want
to {d} in {s}, show me an example|Give me a {s} script to {d}|{s}: {d}|create a {s} program that
can {d} and {d2}|make an app in {s} where users can {d}|Build a {s} project to {d}|what is the way
to {d} in {s}|i have a {s} project and need to {d}|Using {s}, {d} and then {d2}|Can you show me how
to {d} in {s}?|Configure {s} to {d}|Set up {s} so that I can {d}|
Write {c} in Python|Implement {c}|Create {c} that handles errors|How do I write {c} in Go?|Build
me {c} with tests|Generate code for {c}|I need {c} in JavaScript|Add a feature to {c}|Write a
function that returns {c}|Port {c} from Java to Rust|Give me the code for {c}|make a script
for {c}|Schreibe {c} in Python|Escribe {c} en Java|Écris {c} en TypeScript|Напиши {c} на
Python|用 Python 编写 {c}|{c} を書いてください|Viết {c} bằng C++|Scrivi {c} in C#|Escreva {c} em Kotlin
""",
    "code_review": """
Review {c} and suggest improvements|Please do a code review of {c}|What could be better in
{c}?|Refactor {c} for readability|Is {c} secure? Check for vulnerabilities|Optimize {c}, it is too
slow|Does {c} follow best practices?|Find code smells in {c}|Critique my implementation of
{c}|Review this pull request that changes {c}|Simplify {c}|Can you clean up {c}?|Überprüfe
{c} auf Schwachstellen|Revisa {c} y sugiere mejoras|Relis {c} et propose des améliorations|审查 {c} 的代码
""",
    "code_debugging": """
In {s} I get an error when I {d}|{s} fails when I try to {d}, how do I fix it?|why does {s} not
{d}?|error in {s}: cannot {d}|my {s} code should {d} but it does nothing|
{c} throws an exception, why?|Fix the bug in {c}|Why does {c} not work?|I get TypeError:
undefined is not a function in {c}|{c} fails with a segmentation fault|My {c} returns the wrong
result|Traceback (most recent call last): in {c}. How do I solve this error?|{c} crashes on
start|Help me debug {c}|{c} hangs and never finishes|Error 500 when calling {c}|{c} does not
compile: expected ';'|What is wrong with {c}?|{c} funktioniert nicht, woran liegt das?|{c} no
funciona, ¿qué está mal?|{c} не работает, в чём ошибка?|{c} 报错，怎么解决|{c} でエラーが出ます
""",
    "code_documentation": """
Write docstrings for {c}|Document {c}|Explain what {c} does line by line|Add comments to
{c}|Write a README for {c}|Explain this code: {c}|Generate API documentation for {c}|What does
this code do? {c}|Write JSDoc for {c}|Walk me through {c}|Describe the parameters of {c}|Create an
OpenAPI description of {c}|Erkläre diesen Code: {c}|Explica este código: {c}|Explique ce code :
{c}|解释这段代码 {c}
""",
    "research": """
Do a literature review on {t}|Find recent studies about {t}|What does the research say about
{t}?|Survey the state of the art in {t} with citations|Investigate {t} and list your sources|Give
me an overview of the evidence on {t}|Research the competitors of {t}|What are the latest findings
on {t}?|Collect peer-reviewed papers on {t}|Write a research report on {t} with references|Compare
what different scholars say about {t}|Deep research on {t}
""",
    "analysis": """
Analyze {t}|What are the trends in this data about {t}?|Do a SWOT analysis of {t}|Compare the
strengths and weaknesses of {t}|Interpret these survey results about {t}|What drives {t}? Analyze
the causes|Analyze the sentiment of these reviews of {t}|Evaluate the impact of {t}|Perform a root
cause analysis of {t}|Calculate the growth rates in this table about {t} and explain them|Critically
assess {t}|Break down the risks of {t}|Analysiere {t}|Analiza {t}|Analyse les risques de
{t}|Проанализируй {t}|分析 {t}
""",
    "synthesis": """
Combine these notes on {t} into one text|Merge the three reports about {t}|Synthesize the feedback
on {t} into themes|Bring these points about {t} together into a coherent argument|Integrate both
proposals for {t}|Consolidate the findings on {t} from these sources|Join these drafts on {t} into
one document|Create a unified view of {t} from the following interviews|Distill common threads from
these articles on {t}|Weave these bullet points about {t} into a narrative
""",
    "documentation": """
Write a user manual for {t}|Create a how-to guide for {t}|Draft a standard operating procedure for
{t}|Write an FAQ about {t}|Write release notes for {t}|Create onboarding documentation for
{t}|Write meeting minutes about {t}|Draft a policy document on {t}|Write a weekly status report on
{t}|Make a checklist document for {t}|Write user stories and acceptance criteria for {t}|Prepare a
service catalogue for {t}|Write the specification of {t}|Erstelle eine Anleitung für {t}|Redacta un
manual sobre {t}
""",
    "creative_writing": """
Write a short story about {t}|Write a poem about {t}|Compose a song about {t}|Write a dialogue
between two friends about {t}|Tell me a fairy tale about {t}|Write a haiku on {t}|Continue this
story about {t}|Write a funny limerick about {t}|Create a fantasy world around {t}|Write a movie
scene about {t}|Invent a character who loves {t}|Roleplay: you are a pirate who talks about
{t}|Schreibe ein Gedicht über {t}|Escribe un poema sobre {t}|Écris une histoire sur {t}|Напиши
стихотворение про {t}|写一首关于 {t} 的诗|{t} についての物語を書いて|Viết một bài thơ về {t}|Scrivi una
storia su {t}|Escreva um conto sobre {t}|Napisz opowiadanie o {t}
""",
    "technical_writing": """
Write a technical article about {t}|Write a blog post explaining {t}|Draft a white paper on
{t}|Write the introduction of a paper on {t}|Write an abstract about {t}|Write a professional
e-mail about {t}|Rewrite this paragraph on {t} in an academic tone|Proofread my essay on {t}|Write
a cover letter that mentions {t}|Write a product description for {t}|Write a press release about
{t}|Improve the grammar of this text about {t}|Draft a grant proposal about {t}|Write a LinkedIn
post on {t}|Formuliere diesen Text über {t} um|Corrige este texto sobre {t}|Corrige les fautes dans
ce texte sur {t}
""",
    "planning": """
Make a plan for {t}|Create a project plan with milestones for {t}|Plan a week around {t}|Draft a
roadmap for {t}|What steps should I take to start with {t}?|Create a schedule for {t}|Design a
curriculum about {t}|Make a go-to-market strategy for {t}|Organize {t}: timeline, owners,
budget|Create a training program for {t}|Plan the agenda for a workshop on {t}|Give me a 30-day plan
for {t}|Erstelle einen Plan für {t}|Haz un plan para {t}|Fais un plan pour {t}|Составь план: {t}|为 {t}
制定计划
""",
    "decision_support": """
Should I invest in {t}?|What are the pros and cons of {t}?|Help me decide about {t}|Which option is
better for {t}, A or B?|Is {t} worth it?|Recommend the best choice for {t}|I cannot decide whether
{t} is right for me|What would you advise regarding {t}?|Compare these three offers for {t} and
recommend one|Weigh the trade-offs of {t}|Which one should we choose for {t}, given our
budget?|Soll ich {t} wählen?|¿Debería elegir {t}?|Dois-je choisir {t} ?
""",
    "image_generation": """
Draw a picture of {t}|Generate an image of {t}|Create a logo for {t}|Make an illustration of {t} in
watercolor|Paint {t} in the style of the impressionists|Design a poster about {t}|Render a photo
realistic scene of {t}, 4k|Create an image prompt for {t}|Produce a cartoon drawing of {t}|Make a
wallpaper with {t}|Zeichne {t}|Dibuja {t}|Dessine {t}|Нарисуй {t}|画一张 {t} 的图|Generate a picture,
oil painting, {t}
""",
    "vision_analysis": """
What is in this image of {t}?|Describe the picture|What does this photo show?|Read the text in the
screenshot|How many people are in the photo about {t}?|Look at the attached chart on {t} and explain
it|Extract the numbers from this scanned invoice|Identify the objects in the image|Is there anything
unusual in this x-ray?|Transcribe the handwriting in the picture|What color is the object in the
image?|Was ist auf diesem Bild?|¿Qué se ve en esta imagen?|Que montre cette image ?|Что на этой
картинке?|这张图片里有什么
""",
    "question_answering": """
What is {t}?|Who invented {t}?|When did {t} begin?|Explain {t} to me|How does {t} work?|Why is {t}
important?|Where can I learn about {t}?|Tell me about {t}|What is the difference between {t} and its
alternatives?|How many people know about {t}?|Define {t}|What do you know about {t}?|Was ist
{t}?|¿Qué es {t}?|Qu'est-ce que {t} ?|Что такое {t}?|什么是 {t}？|{t} とは何ですか|Cos'è {t}?|O que é
{t}?|{t} là gì?|Co to jest {t}?
""",
    "summarization": """
Summarize the following article about {t}|Give me a summary of {t}|TL;DR: {t}|Summarize in three
bullet points: {t}|Shorten this text about {t}|What are the key points of this report on
{t}?|Condense this e-mail thread about {t}|Write an executive summary of {t}|Give me the gist of
{t}|Recap the meeting about {t}|Fasse den Text über {t} zusammen|Resume el artículo sobre {t}|Résume
ce texte sur {t}|Кратко перескажи текст про {t}|总结这篇关于 {t} 的文章|{t} を要約して|Riassumi {t}|Resuma o
texto sobre {t}
""",
    "translation": """
Translate this text about {t} into German|How do you say "{t}" in Spanish?|Translate to French:
{t}|What is the Japanese word for {t}?|Please translate the following paragraph on {t} to
English|Give me the Italian translation of {t}|Translate from Russian: {t}|Übersetze ins Englische:
{t}|Traduce al inglés: {t}|Traduis en anglais : {t}|Переведи на английский: {t}|把下面的文字翻译成英文
{t}|英語に翻訳してください {t}|Traduci in inglese: {t}|Traduza para o inglês: {t}|Dịch sang tiếng Anh: {t}
""",
    "extraction": """
Extract all names and dates from this text about {t}|List every company mentioned in the article on
{t}|Pull the prices out of this page about {t} as JSON|Find all e-mail addresses in the text|Convert
this text on {t} into a table|Return the entities as JSON: {t}|Which sentences mention {t}? Quote
them|Get the order number from this message
""",
    "classification": """
Classify this message about {t} as spam or not|Is this review of {t} positive or negative?|Which of
these categories fits {t}: A, B or C?|Label each sentence about {t}|What is the sentiment of this
tweet on {t}?|Assign a topic to this text: {t}|Tag these support tickets about {t} by urgency|Sort
these into groups: {t}
""",
    "math": """
Solve for x: 3x + 7 = 22|What is 15 % of 240?|Compute the integral of x^2 sin(x) dx|Prove that the
square root of 2 is irrational|Find the eigenvalues of the matrix|How many ways can 5 people sit in
a row?|A train travels 120 km in 1.5 hours. What is its speed?|What is the probability of two sixes
in three rolls?|Differentiate f(x) = ln(x)/x|Simplify (a+b)^2 - (a-b)^2|Löse die Gleichung 2x - 5 =
9|Resuelve la ecuación x^2 - 5x + 6 = 0|Résous l'équation|Реши уравнение|求解方程 x^2 = 9
""",
    "reasoning": """
If all cats are animals and some animals are black, are some cats black?|Three friends each own a
different pet. Who owns the fish?|I have a fox, a goose and corn and a small boat. How do I cross
the river?|What comes next in the sequence 2, 6, 12, 20?|Anna is older than Ben and Ben is older
than Carl. Who is the youngest?|A logic puzzle: the knight always tells the truth|Is the argument
valid? Premise one, premise two, conclusion|Think step by step: which switch controls the
lamp?|Which of these statements must be true?
""",
    "chat": """
Hi|Hello, how are you?|Good morning|Thanks, that helps|You are great|Tell me a joke|What is your
name?|Who are you?|ok|lol|bye|How was your day?|I feel sad today|Let's talk|Hola|Bonjour|Hallo, wie
geht's?|Привет|你好|こんにちは|Ciao|Olá
""",
}


def prompts(rng: Random, most: int = 160) -> Iterator[tuple[str, str]]:
    """(kind, prompt): up to `most` of each kind, drawn from its templates."""
    for kind, text in SEEDS.items():
        templates = [" ".join(template.split()) for template in text.strip().split("|")]
        drawn = dict.fromkeys(_filled(template, rng) for _ in range(6) for template in templates)
        every = list(drawn)
        rng.shuffle(every)
        for prompt in every[:most]:
            yield kind, prompt[:1].upper() + prompt[1:] if rng.random() < 0.5 else prompt.lower()


def _filled(template: str, rng: Random) -> str:
    words = {"t": TOPICS, "c": CODE, "s": TOOLS, "d": TASKS, "d2": TASKS}
    return template.format(**{slot: rng.choice(of).strip() for slot, of in words.items()}).strip()
